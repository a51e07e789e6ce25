"""Decoders: feature pyramid to one map."""
