"""Optimisers of torch and timm."""
