"""Evaluation of finished runs: other images, native resolution, ensembles, confidence intervals."""
