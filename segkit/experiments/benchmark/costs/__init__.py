"""Costs of a finished run's model: time, memory, multiply-adds."""
