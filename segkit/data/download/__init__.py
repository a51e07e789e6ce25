"""Download of data sets."""
