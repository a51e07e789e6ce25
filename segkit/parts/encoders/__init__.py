"""Encoders: image to feature pyramid."""
