"""Losses: `(logits, target) -> scalar`, in float32, blind to ignored pixels."""
