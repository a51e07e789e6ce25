"""Comparison of finished runs: ranking, significance tests, costs, files. No torch."""
