"""What is computed: the models, taken apart so that each execution can assemble them in its own way."""
