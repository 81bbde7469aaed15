"""Waits for something that another process does."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float, event: str):
    """Waits until `condition` is true, and returns its value. event: what is waited for, for the message."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{event}: not within {seconds:.0f} s"
        time.sleep(0.1)
    return value
