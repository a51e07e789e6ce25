"""What a finished run's model costs: time, memory, multiply-adds. Only `measure` imports torch."""
