"""The revisions of the tables of recorded calls, one file each."""
