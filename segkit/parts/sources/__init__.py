"""Sources: where images and masks come from."""
