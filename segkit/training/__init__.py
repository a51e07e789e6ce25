"""The training loop and what it needs; it is handed objects, never names."""
