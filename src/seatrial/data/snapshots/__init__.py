"""A masked snapshot on disk: its manifest, its verdict, and the door through which it loads."""
