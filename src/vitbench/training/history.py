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

    epoch_rows: a row per epoch, with the columns of history.csv. sessions: for each process that worked on the run, its
    machine, its times and its memory.
    """

    epoch_rows: list[dict]
    best_epoch: int | None
    best_val_accuracy: float | None
    sessions: list[dict]

    @classmethod
    def begin(cls, saved: dict | None, startup: dict[str, float]) -> "RunHistory":
        """The history in `saved`, a snapshot, or an empty one if that is None, with this process as a new session.

        startup: the seconds of import, device and first step, by column.
        """
        history = cls(**saved) if saved else cls([], None, None, [])
        if saved:
            notify(f"resuming after epoch {history.epochs}")
        history.sessions.append({"first_epoch": history.epochs + 1, **startup})
        history.snapshot()
        return history

    @property
    def epochs(self) -> int:
        """The number of epochs that are trained."""
        return len(self.epoch_rows)

    def snapshot(self) -> dict:
        """The history as JSON, with the current times and memory of this process."""
        backend = current_backend()
        self.sessions[-1] |= {
            **describe_machine(backend.device()),
            **process_times(),
            "peak_host_memory_bytes": peak_host_memory_bytes(),
            "peak_device_memory_bytes": backend.peak_memory_bytes(),
        }
        return asdict(self)

    def summary_columns(self, images: int) -> dict:
        """The columns of tables/runs that come from the history.

        Startup times are those of the first process, total_seconds is the sum over all processes, and peak memory the
        maximum. images: number of training images.
        """
        first = self.sessions[0]
        columns = _speed_columns(self.epoch_rows, self._first_comparable_epoch(), images)
        for key in ("import_seconds", "device_seconds", "first_step_seconds", "started_at"):
            columns[key] = first[key]
        for peak in ("peak_host_memory_bytes", "peak_device_memory_bytes"):
            columns[peak] = max((session[peak] for session in self.sessions if session[peak] is not None), default=None)
        columns["total_seconds"] = sum(session["total_seconds"] for session in self.sessions)
        columns["resumptions"] = len(self.sessions) - 1
        return columns

    def _first_comparable_epoch(self) -> int:
        """The first epoch since which the device has not changed."""
        training = [session for session in self.sessions if session["first_epoch"] <= self.epochs]
        device = training[-1]["device"]
        latest = itertools.takewhile(lambda session: session["device"] == device, reversed(training))
        return min(session["first_epoch"] for session in latest)


def _speed_columns(epoch_rows: list[dict], first: int, images: int) -> dict:
    """Medians over the epochs from `first` on, without the time of validation.

    The first epoch of each process is left out, because it may still compile, unless there is no other.
    """
    rows = epoch_rows[first - 1 :]
    steady = [row["train_seconds"] for row in rows if row["epoch"] > 1 and not row["resumed"]]
    seconds = steady or [row["train_seconds"] for row in rows]
    return {
        "train_images_per_second": statistics.median(images / s for s in seconds),
        "epoch_seconds_median": statistics.median(seconds),
    }
