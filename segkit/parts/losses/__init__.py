"""Losses: `(logits, target) -> scalar`, in float32, without ignored pixels."""
