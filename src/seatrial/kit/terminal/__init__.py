"""What every command shares: lazy groups, errors with a remedy, tables, JSON output."""
