"""Cross-validations: the data of a directory, and its page."""
