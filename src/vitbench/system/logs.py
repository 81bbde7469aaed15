"""What a person sees while a job runs: progress on the terminal. Everything else goes to the job's log."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from vitbench.system.files import write_json
from vitbench.system.times import process_times

REPORT_SECONDS = 10  # between two lines of progress where there is no terminal

log = logging.getLogger("vitbench")
_terminal: TextIO = sys.stderr


class UserError(Exception):
    """A problem that the user can solve. It ends a step with its message instead of a traceback."""


@contextmanager
def log_to(path: Path | None, **job: str | int | None) -> Iterator[None]:
    """Sends the output of this process and its children to the file `path`; progress stays on the terminal.

    This includes the output of native code, Python's log lines and the traceback of an exception that leaves the block.
    None leaves all output on the terminal. A UserError ends the program with its message and exit status 1. When the
    block ends, a JSON file beside the log records `job` and when it started and finished.
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
        if path is not None:
            write_json(path.with_suffix(".json"), job | process_times())


def notify(message: str) -> None:
    """Prints one line for the person and writes it to the log."""
    if _terminal is not sys.stderr:
        log.info(message)
    print(message, file=_terminal, flush=True)


class ProgressBar:
    """The progress of one job: steps done, time left and the latest figures.

    On a terminal it is a live bar. Elsewhere it prints a line at most every ten seconds, and one for the last step.
    """

    def __init__(self, title: str, total: int, unit: str, completed: int = 0):
        self._title, self._unit = title, unit
        self._completed, self._total, self._completed_before = completed, total, completed
        self._started = self._printed = time.monotonic()
        self._live_bar = self._start_live_bar() if _terminal.isatty() else None

    def advance(self, **figures: float) -> None:
        """Counts one more step and shows the figures, three decimals each."""
        self._completed += 1
        shown = {name: f"{value:.3f}" for name, value in figures.items()}
        log.info("%s: %s %d/%d %s", self._title, self._unit, self._completed, self._total, shown)
        text = ", ".join(f"{name} {value}" for name, value in shown.items())
        if self._live_bar is not None:
            bar, task = self._live_bar
            bar.update(task, advance=1, figures=text)
        elif time.monotonic() - self._printed > REPORT_SECONDS or self._completed == self._total:
            self._print_line(text)

    def close(self) -> None:
        if self._live_bar is not None:
            self._live_bar[0].stop()

    def _start_live_bar(self):
        """A live bar and its task."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = [TextColumn("{task.description}"), BarColumn(), TextColumn(self._unit), MofNCompleteColumn()]
        columns += [TextColumn("{task.fields[figures]}"), TimeRemainingColumn(compact=True)]
        # The process's own output goes to the log, so rich must not redirect it above the bar.
        console = Console(file=_terminal, force_terminal=True)
        bar = Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False)
        task = bar.add_task(self._title, total=self._total, completed=self._completed, figures="")
        bar.start()
        return bar, task

    def _print_line(self, figures: str) -> None:
        now = time.monotonic()
        seconds_per_step = (now - self._started) / (self._completed - self._completed_before)
        left = seconds_per_step * (self._total - self._completed)
        self._printed = now
        steps = f"{self._unit} {self._completed}/{self._total}"
        print(f"{self._title}: {steps}, {figures}, {left:.0f} s left", file=_terminal, flush=True)
