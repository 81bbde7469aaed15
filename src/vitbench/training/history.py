"""The course of a run: its epochs, and the processes that had a part in it."""

import itertools
import statistics
from dataclasses import asdict, dataclass

from vitbench.backends.process import current_backend
from vitbench.system import environment
from vitbench.system.environment import describe_machine
from vitbench.system.logs import notify
from vitbench.system.times import process_times


@dataclass
class RunHistory:
    """How far a run has come, in one or more processes.

    history: a row per epoch. sessions: per process that had a part in it, when and where it was and what it cost.
    """

    history: list[dict]
    best_epoch: int | None
    best_val_accuracy: float | None
    sessions: list[dict]

    @classmethod
    def of(cls, kept: dict | None, import_seconds: float, first_step_seconds: float) -> "RunHistory":
        """What `kept` says, or the beginning; and in either case a session more, this process."""
        journal = cls(**kept) if kept else cls([], None, None, [])
        if kept:
            notify(f"going on after epoch {journal.epochs}")
        cold = {"import_seconds": import_seconds, "first_step_seconds": first_step_seconds}
        journal.sessions.append({"first_epoch": journal.epochs + 1, **cold})
        journal.told()
        return journal

    @property
    def epochs(self) -> int:
        return len(self.history)

    def told(self) -> dict:
        """All of it as JSON, this process as it is now."""
        self.sessions[-1] |= {
            **describe_machine(current_backend().device()),
            **process_times(),
            "peak_host_memory_bytes": environment.peak_host_memory_bytes(),
            "peak_device_memory_bytes": current_backend().peak_memory_bytes(),
        }
        return asdict(self)

    def columns(self, images: int) -> dict:
        """Columns of tables/runs: the first process's cold costs, the seconds of all, the largest of their peaks."""
        first = self.sessions[0]
        peaks = ("peak_host_memory_bytes", "peak_device_memory_bytes")
        found = {peak: [session[peak] for session in self.sessions if session[peak] is not None] for peak in peaks}
        return {
            **_speed(self.history, self._first_comparable_epoch(), images),
            **{key: first[key] for key in ("import_seconds", "first_step_seconds", "started_at")},
            **{peak: max(values, default=None) for peak, values in found.items()},
            "total_seconds": sum(session["total_seconds"] for session in self.sessions),
            "resumptions": len(self.sessions) - 1,
        }

    def _first_comparable_epoch(self) -> int:
        """The first of the epochs that were, without one in between that was not, trained on the device of the last."""
        training = [session for session in self.sessions if session["first_epoch"] <= self.epochs]
        same = itertools.takewhile(lambda session: session["device"] == training[-1]["device"], reversed(training))
        return min(session["first_epoch"] for session in same)


def _speed(history: list[dict], first: int, images: int) -> dict:
    """Images per second and epoch seconds, training alone, as medians over the epochs from `first` on.

    Not over a process's first, in which there is still something to compile; where there is no other it is all we have.
    """
    rows = history[first - 1 :]
    seconds = [row["train_seconds"] for row in rows]
    steady = [row["train_seconds"] for row in rows if row["epoch"] > 1 and not row["resumed"]] or seconds
    return {
        "train_images_per_second": statistics.median(images / s for s in steady),
        "epoch_seconds_median": statistics.median(steady),
    }
