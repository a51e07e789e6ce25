"""Benchmarks of training speed and model costs."""
