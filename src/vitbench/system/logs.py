"""What a person sees while a job runs: one line on the terminal; everything else goes to the job's log."""

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


class UserError(Exception):
    """Something that the user can mend: it ends a step with its one sentence instead of a traceback."""


_terminal: TextIO = sys.stderr
log = logging.getLogger("vitbench")


@contextmanager
def log_to(path: Path | None, **job: str | int | None) -> Iterator[None]:
    """Sends what this process and its children print to the file `path`, down to native code; progress stays visible.

    Python's log lines and the traceback of an exception that leaves the block go there too. None: all to the terminal.
    A UserError ends the program with exit status 1 and its sentence. When the block ends, a JSON file beside the log
    says which `job` this was, when it began and when it ended.
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
    """One line for the person and for the log."""
    if _terminal is not sys.stderr:
        log.info(message)
    from tqdm import tqdm

    tqdm.write(message, file=_terminal)


class ProgressBar:
    """Steps done, time left and the latest figures of one job; on a file or pipe a line at most every ten seconds."""

    def __init__(self, title: str, total: int, unit: str, done: int = 0):
        from tqdm import tqdm

        self._live = _terminal.isatty()
        self._title, self._unit = title, unit
        looks = {"file": _terminal, "disable": not self._live, "leave": True, "dynamic_ncols": True}
        self._bar = tqdm(total=total, initial=done, desc=title, unit=unit, **looks)
        self._done, self._total, self._done_before = done, total, done
        self._began = self._said = time.monotonic()

    def advance(self, **figures: float) -> None:
        self._done += 1
        shown = {name: f"{value:.3f}" for name, value in figures.items()}
        log.info("%s: %s %d/%d %s", self._title, self._unit, self._done, self._total, shown)
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()
        now = time.monotonic()
        if not self._live and (now - self._said > 10 or self._done == self._total):
            self._said = now
            left = (now - self._began) / (self._done - self._done_before) * (self._total - self._done)
            words = ", ".join(f"{name} {value}" for name, value in shown.items())
            self._bar.write(
                f"{self._title}: {self._unit} {self._done}/{self._total}, {words}, {left:.0f} s left", file=_terminal
            )

    def close(self) -> None:
        self._bar.close()
