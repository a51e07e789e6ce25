"""Run directories -> which recipe is better, how surely, and at what cost. No torch."""
