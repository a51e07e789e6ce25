"""Built-in parts, a folder for each kind."""
