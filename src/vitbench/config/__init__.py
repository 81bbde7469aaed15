"""What a user may configure: keys, defaults, ranges and error messages."""
