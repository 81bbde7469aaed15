"""When this process ran."""

import time
from datetime import UTC, datetime

from vitbench import PROCESS_BEGAN


def process_times() -> dict:
    """When this process began and now, ISO 8601 in UTC, and the seconds between."""
    now = time.time()
    return {
        "started_at": datetime.fromtimestamp(PROCESS_BEGAN, UTC).isoformat(),
        "finished_at": datetime.fromtimestamp(now, UTC).isoformat(),
        "total_seconds": now - PROCESS_BEGAN,
    }
