"""Data sets, downloaded and unpacked."""
