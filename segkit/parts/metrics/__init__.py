"""Metrics: scores per image, independent of the batch size."""
