"""Cache of decoded images on disk."""
