"""A folder for the temporary files of this process that is removed however the process ends."""

import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

PREFIX = "vitbench-"
_watchers: list[subprocess.Popen] = []  # their pipes stay open for as long as this process lives


@cache
def scratch_folder() -> Path:
    """Creates the folder at the first call; later calls return it.

    A shell waits for the end of a pipe that only this process holds and then removes the folder, so it goes even if the
    process is killed. If all processes of a session are killed at once, the next process of vitbench on this machine
    removes the folder.
    """
    remove_abandoned_folders()
    folder = Path(tempfile.mkdtemp(prefix=f".new-{PREFIX}"))
    _try_lock(folder / ".lock")
    folder = folder.rename(folder.with_name(folder.name.removeprefix(".new-")))  # visible only once it is locked
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = ["/bin/sh", "-c", 'read -r line; rm -rf -- "$0"', str(folder)]
    _watchers.append(
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a signal to the process group of the job must not end it
            cwd="/",
        )
    )
    return folder


def remove_abandoned_folders() -> None:
    """Removes the folders of processes that have ended: their locks are free."""
    for lock in Path(tempfile.gettempdir()).glob(f"*{PREFIX}*/.lock"):
        descriptor = _try_lock(lock)
        if descriptor is not None:
            shutil.rmtree(lock.parent, ignore_errors=True)
            os.close(descriptor)


def _try_lock(file: Path) -> int | None:
    """The open file, whose lock this process now holds; None if another process holds it, or owns the file."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
