"""When this process ran."""

import time
from datetime import UTC, datetime

# Seconds since 1970. The package imports this module first, so this is when the process started.
PROCESS_STARTED = time.time()


def process_times() -> dict:
    """When this process started and the time now, ISO 8601 in UTC, and the seconds between."""
    now = time.time()
    return {
        "started_at": datetime.fromtimestamp(PROCESS_STARTED, UTC).isoformat(),
        "finished_at": datetime.fromtimestamp(now, UTC).isoformat(),
        "total_seconds": now - PROCESS_STARTED,
    }
