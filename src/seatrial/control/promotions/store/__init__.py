"""The tables of promotions and every statement on them."""
