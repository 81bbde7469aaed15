"""Locks between processes, which the kernel releases when their process ends in any way."""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor

from vitbench.system.logs import notify
from vitbench.system.scratch import remove_at_exit

POLL_SECONDS = 1.0  # the kernel can wait for one lock, but not for whichever of several is released first
UNSUPPORTED = {
    errno.ENOLCK,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EINVAL,
    errno.EBADF,  # NFS, for a file of another user, which can only be opened for reading
}


@contextmanager
def hold_one_of(files: list[Path], purpose: str) -> Iterator[Path]:
    """Holds the lock of one of `files` and yields that file; waits until one is free.

    The files are created where they are missing. On a file system without locks nothing is held.

    purpose: completes the message "waiting for".
    """
    file, descriptor = _acquire_one(files, purpose)
    try:
        yield file
    finally:
        os.close(descriptor)


def claim_one_of(files: list[Path], purpose: str) -> Path:
    """As `hold_one_of`, but until this process ends. Then the file is removed, however the process ends."""
    file, descriptor = _acquire_one(files, purpose)
    remove_at_exit(file, descriptor)
    return file


def _acquire_one(files: list[Path], purpose: str) -> tuple[Path, int]:
    """One of `files` and the descriptor that holds its lock."""
    is_waiting = False
    while True:
        for file in files:
            descriptor = _open(file)
            if _try_lock(descriptor) and _is_open_as(descriptor, file):
                return file, descriptor
            os.close(descriptor)
        if not is_waiting:
            notify(f"waiting for {purpose}")
            is_waiting = True
        time.sleep(POLL_SECONDS)


def _open(file: Path) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # the file of another user
        return os.open(file, os.O_RDONLY)
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o666)  # other users need to open it too, whatever the umask is
    return descriptor


def _try_lock(descriptor: int) -> bool:
    """Whether the lock was free, or the file system has no locks."""
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return True


def _is_open_as(descriptor: int, file: Path) -> bool:
    """Whether `file` is still the file that was opened: the last holder may have removed it in between."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
