"""Locks between processes, which the kernel releases when their process ends in any way."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vitbench.system.logs import notify

POLL_SECONDS = 1.0  # the kernel can wait for one lock, but not for whichever of several is released first
UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}  # by the file system


@contextmanager
def hold_one_of(files: list[Path], purpose: str) -> Iterator[Path]:
    """Holds the lock of one of `files` and yields that file; waits until one is free.

    `purpose` completes the message "waiting for". On a file system without locks nothing is held.
    """
    lock, file = _acquire_one(files, purpose)
    try:
        yield file
    finally:
        if lock is not None:
            lock.release()


def _acquire_one(files: list[Path], purpose: str) -> tuple[FileLock | None, Path]:
    is_waiting = False
    while True:
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(file, mode=0o666, fallback_to_soft=False)
            try:
                lock.acquire(blocking=False)
                return lock, file
            except Timeout:
                continue
            except (NotImplementedError, OSError) as error:
                if isinstance(error, OSError) and error.errno not in UNSUPPORTED:
                    raise
                return None, file
        if not is_waiting:
            notify(f"waiting for {purpose}")
            is_waiting = True
        time.sleep(POLL_SECONDS)
