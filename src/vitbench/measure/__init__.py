"""Time, memory and energy of a model in the process that calls it."""
