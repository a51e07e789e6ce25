"""Encoders: image in, feature pyramid out."""
