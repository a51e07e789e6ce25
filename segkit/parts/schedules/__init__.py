"""Learning-rate schedules: moved on after every step, lengths in epochs."""
