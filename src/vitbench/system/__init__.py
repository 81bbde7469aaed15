"""The machine and its processes: GPUs, locks, subprocesses, temporary files, logs and fingerprints of the code."""
