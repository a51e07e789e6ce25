"""Optimisers: parameter groups in, torch optimiser out."""
