"""How the table of leases came to be."""
