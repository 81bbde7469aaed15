"""One process at a time: locks that the kernel takes back when their process ends, in whatever way."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitbench.system.logs import notify

POLL_SECONDS = 1.0  # the kernel can wait for one lock, not for whichever of several is free first
LOCKLESS_ERRORS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}  # of a file system


@contextmanager
def hold_one_of(files: list[Path], awaited: str) -> Iterator[Path]:
    """Holds one of the locks `files` and yields which, waiting until one is free; `awaited` says for what.

    On a file system that has no locks nothing is held.
    """
    descriptor, file = _taken(files, awaited)
    try:
        yield file
    finally:
        os.close(descriptor)


def _taken(files: list[Path], awaited: str) -> tuple[int, Path]:
    said = False
    while True:
        for file in files:
            descriptor = _tried(file)
            if descriptor is not None:
                return descriptor, file
        if not said:
            notify(f"waiting for {awaited}")
            said = True
        time.sleep(POLL_SECONDS)


def _tried(file: Path) -> int | None:
    """The open file if its lock is held now; None if another process holds it."""
    import fcntl

    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # another user's
        descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in LOCKLESS_ERRORS:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
    return descriptor
