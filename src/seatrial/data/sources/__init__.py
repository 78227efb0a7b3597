"""Where records are read from, batch by batch: files, folders, Parquet, databases."""
