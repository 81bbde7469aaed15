"""When this process started, and how long it has run."""

import time
from datetime import UTC, datetime

# Seconds since 1970. The package imports this module before any other, so the process has only just started.
PROCESS_STARTED = time.time()


def process_times() -> dict:
    """The start of this process and the time now, ISO 8601 in UTC, and the seconds in between."""
    now = time.time()
    return {
        "started_at": datetime.fromtimestamp(PROCESS_STARTED, UTC).isoformat(),
        "finished_at": datetime.fromtimestamp(now, UTC).isoformat(),
        "total_seconds": now - PROCESS_STARTED,
    }
