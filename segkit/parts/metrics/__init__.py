"""Metrics: scores of each image alone, so that none depends on the batch size."""
