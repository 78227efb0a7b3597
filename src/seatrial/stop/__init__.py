"""`stopd`, the kill switch: a tiny program that works with everything else down."""
