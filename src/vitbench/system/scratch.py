"""A folder for the temporary files of this process, which does not outlive it however it ends."""

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
    """Creates the folder at the first call. It is removed when this process ends, by a signal 9 too.

    A shell waits for the end of a pipe that this process holds, and removes the folder then. Where the whole session is
    killed at once, as by SLURM, the next process of vitbench on this machine removes it.
    """
    remove_abandoned_folders()
    folder = Path(tempfile.mkdtemp(prefix=f".new-{PREFIX}"))
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    folder = folder.rename(folder.with_name(folder.name.removeprefix(".new-")))  # visible only once it is locked
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = ["/bin/sh", "-c", 'read -r _; rm -rf -- "$0"', str(folder)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    _watchers.append(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, **quiet))
    return folder


def remove_abandoned_folders() -> None:
    """Removes the folders of processes that have ended: their locks are free."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/.lock"):
        try:
            descriptor = os.open(lock, os.O_RDWR)
        except OSError:  # gone meanwhile, or another user's
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:
            pass  # its process runs
        finally:
            os.close(descriptor)
