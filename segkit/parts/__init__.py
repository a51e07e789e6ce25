"""Optimisers and learning-rate schedules, of torch and timm."""
