"""Analysis of data sets and finished runs; never trains."""
