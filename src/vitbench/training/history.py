"""The history of a run: its epochs, and the processes that trained them."""

import itertools
import statistics
from dataclasses import asdict, dataclass

from vitbench.backends.process import current_backend
from vitbench.system.environment import describe_machine, peak_host_memory_bytes
from vitbench.system.logs import notify
from vitbench.system.times import process_times


@dataclass
class RunHistory:
    """What a run has done so far, in one or more processes.

    history: a row per epoch. sessions: for each process that worked on the run, its machine, its times and its memory.
    """

    history: list[dict]
    best_epoch: int | None
    best_val_accuracy: float | None
    sessions: list[dict]

    @classmethod
    def begin(cls, saved: dict | None, import_seconds: float, first_step_seconds: float) -> "RunHistory":
        """The saved history, or an empty one, with this process as a new session."""
        run = cls(**saved) if saved else cls([], None, None, [])
        if saved:
            notify(f"resuming after epoch {run.epochs}")
        startup = {"import_seconds": import_seconds, "first_step_seconds": first_step_seconds}
        run.sessions.append({"first_epoch": run.epochs + 1, **startup})
        run.snapshot()
        return run

    @property
    def epochs(self) -> int:
        return len(self.history)

    def snapshot(self) -> dict:
        """All of it as JSON, with the times and memory of this process as they are now."""
        backend = current_backend()
        self.sessions[-1] |= {
            **describe_machine(backend.device()),
            **process_times(),
            "peak_host_memory_bytes": peak_host_memory_bytes(),
            "peak_device_memory_bytes": backend.peak_memory_bytes(),
        }
        return asdict(self)

    def summary_columns(self, images: int) -> dict:
        """Columns of tables/runs: startup of the first process, total seconds and largest memory of all of them.

        images: number of training images.
        """
        first = self.sessions[0]
        columns = _speed_columns(self.history, self._first_comparable_epoch(), images)
        for key in ("import_seconds", "first_step_seconds", "started_at"):
            columns[key] = first[key]
        for peak in ("peak_host_memory_bytes", "peak_device_memory_bytes"):
            columns[peak] = max((s[peak] for s in self.sessions if s[peak] is not None), default=None)
        columns["total_seconds"] = sum(session["total_seconds"] for session in self.sessions)
        columns["resumptions"] = len(self.sessions) - 1
        return columns

    def _first_comparable_epoch(self) -> int:
        """The first epoch from which on every epoch was trained on the device of the last one."""
        training = [session for session in self.sessions if session["first_epoch"] <= self.epochs]
        device = training[-1]["device"]
        latest = itertools.takewhile(lambda session: session["device"] == device, reversed(training))
        return min(session["first_epoch"] for session in latest)


def _speed_columns(history: list[dict], first: int, images: int) -> dict:
    """Medians over the epochs from `first` on, of training alone.

    The first epoch of a process is left out, because it may still compile; if there is no other, it is used.
    """
    rows = history[first - 1 :]
    steady = [row["train_seconds"] for row in rows if row["epoch"] > 1 and not row["resumed"]]
    seconds = steady or [row["train_seconds"] for row in rows]
    return {
        "train_images_per_second": statistics.median(images / s for s in seconds),
        "epoch_seconds_median": statistics.median(seconds),
    }
