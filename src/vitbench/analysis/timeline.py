"""TODO."""

import pandas as pd


def busy_and_idle_seconds(jobs: pd.DataFrame) -> tuple[float, float]:
    """Seconds in which one or more jobs ran; and those between them in which none did, long pauses left out."""
    began, ended = (pd.to_datetime(jobs[column], format="ISO8601") for column in ("started_at", "finished_at"))
    spans = sorted(zip(began, ended, strict=True))
    if not spans:
        return 0.0, 0.0
    busy, idle, end = 0.0, 0.0, spans[0][0]
    for began, finished in spans:
        gap = (began - end).total_seconds()
        idle += gap if 0 < gap <= PAUSE_SECONDS else 0.0
        busy += max(0.0, (finished - max(began, end)).total_seconds())
        end = max(end, finished)
    return busy, idle


PAUSE_SECONDS = 600  # a longer one is between two calls of the workflow
