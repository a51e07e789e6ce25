"""Learning-rate schedules, stepped after every training step; lengths in epochs."""
