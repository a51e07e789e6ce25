"""A run directory: its files and their contents."""
