"""What is read off runs and data sets; it never trains."""
