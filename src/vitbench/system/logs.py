"""Sends the progress of a job to the terminal, and all its other output to its log."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from vitbench.system.files import write_json
from vitbench.system.times import process_times

if TYPE_CHECKING:
    from rich.progress import Progress

REPORT_SECONDS = 10  # between two lines of progress where there is no terminal

log = logging.getLogger("vitbench")
_terminal: TextIO = sys.stderr
_live: "Progress | None" = None  # the bar on the terminal, if one is shown


class UserError(Exception):
    """A problem that the user can solve. It ends a step with its message instead of a traceback."""


@contextmanager
def log_to(path: Path | None, **job: str | int | None) -> Iterator[None]:
    """Sends the output of this process and its children to the file `path`; progress stays on the terminal.

    The output includes that of native code, Python's log lines and the traceback of an exception that leaves the block.
    A UserError ends the program with its message and exit status 1. When the block ends, a JSON file beside the log
    records `job` and when the process started and finished. If `path` is None, all output stays on the terminal.
    """
    global _terminal
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _terminal = os.fdopen(os.dup(2), "w", buffering=1)
        with path.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("absl").setLevel(logging.WARNING)
    try:
        yield
    except UserError as error:
        notify(f"Error: {error}")
        raise SystemExit(1) from None
    except Exception:
        log.exception("the job failed")
        raise
    finally:
        if _live is not None:
            _live.stop()  # otherwise the cursor stays hidden
        if path is not None:
            write_json(path.with_suffix(".json"), job | process_times())


def notify(message: str) -> None:
    """Prints one line on the terminal, above the progress bar if there is one, and writes it to the log."""
    if _terminal is not sys.stderr:
        log.info(message)
    if _live is not None:
        _live.console.print(message, markup=False, highlight=False, soft_wrap=True)
    else:
        print(message, file=_terminal, flush=True)


class ProgressBar:
    """The progress of one job: completed steps, the latest figures and the time left.

    On a terminal it is a live bar. Elsewhere it prints a line at most every ten seconds, and one for the last step.

    total: number of steps of the whole job. unit: what a step is called. completed: steps of an earlier, interrupted
    process, which do not count for the time left.
    """

    def __init__(self, title: str, total: int, unit: str, completed: int = 0):
        self._title, self._unit = title, unit
        self._completed, self._total, self._completed_before = completed, total, completed
        self._started = self._printed = time.monotonic()
        self._bar = self._start_live_bar() if _terminal.isatty() else None

    def advance(self, **figures: float) -> None:
        """Counts one more step and shows the figures with three decimals."""
        self._completed += 1
        text = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        if self._bar is None or _terminal is not sys.stderr:  # a log line would break the live bar
            log.info("%s: %s %d/%d, %s", self._title, self._unit, self._completed, self._total, text)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=1, figures=text, refresh=True)
        elif time.monotonic() - self._printed > REPORT_SECONDS or self._completed == self._total:
            self._print_line(text)

    def close(self) -> None:
        """Ends the live bar, which stays on the terminal as it is."""
        global _live
        if self._bar is not None:
            self._bar.stop()
            _live = None

    def _start_live_bar(self) -> "Progress":
        global _live
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = [
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn(self._unit, markup=False),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(compact=True),
        ]
        # The output of this process goes to the log, so rich must not redirect it to the terminal. A thread that
        # refreshes the bar would run beside the steps that are timed.
        _live = Progress(
            *columns,
            console=Console(file=_terminal, force_terminal=True),
            redirect_stdout=False,
            redirect_stderr=False,
            auto_refresh=False,
        )
        _live.add_task(self._title, total=self._total, completed=self._completed, figures="")
        _live.start()
        return _live

    def _print_line(self, figures: str) -> None:
        self._printed = time.monotonic()
        seconds_per_step = (self._printed - self._started) / (self._completed - self._completed_before)
        left = seconds_per_step * (self._total - self._completed)
        steps = f"{self._unit} {self._completed}/{self._total}"
        print(f"{self._title}: {steps}, {figures}, {left:.0f} s left", file=_terminal, flush=True)
