"""Decoders: feature pyramid in, one map out."""
