"""Tables of a foreign database, read in a stream and written by a loader."""
