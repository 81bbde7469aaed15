"""One run: its optimiser, its callbacks, its checkpoint and its history."""
