"""Prediction with trained models. No torch outside `torch_network`, `evaluation` and `export`."""
