"""Removes the temporary files of a process, however the process ends.

A shell waits for the end of the process and then removes them, so they go even if the process is killed. If the shell
is killed too, for example because SLURM ends a job, the next process of vitbench on this machine removes them.
"""

import atexit
import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from filelock import lock_descriptor

# Machines may share a temporary directory without sharing its locks, so a machine removes only what has its own prefix.
PREFIX = f"vitbench-{hashlib.sha256(platform.node().encode()).hexdigest()[:4]}-"

# The pipe that it reads ends with the process and its forks. If the folder still exists then, the process was killed,
# and its other children may write to the folder until they notice.
WATCHER = """
read -r line
[ -d "$0" ] && sleep 1
rm -rf -- "$0" || { sleep 5; rm -rf -- "$0"; }
"""

_folder: Path | None = None  # what scratch_folder returns
_watchers: list[subprocess.Popen] = []  # keeps their pipes open for as long as this process lives


def scratch_folder() -> Path:
    """The folder for temporary files of this process and its children. It is created at the first call."""
    global _folder
    if _folder is None:
        remove_leftovers()
        _folder = _create_folder()
    return _folder


def shared_folder() -> Path:
    """The folder for the files that the processes of all users share, whatever their temporary directories are."""
    folders = (Path("/tmp"), Path("/var/lock"))
    return next((folder for folder in folders if os.access(folder, os.W_OK)), Path(tempfile.gettempdir()))


def is_scratch(folder: Path) -> bool:
    """Whether `folder` is, or is in, a scratch folder of some process of vitbench."""
    return any(part.startswith(PREFIX) for part in folder.parts)


def use_folder(folder: Path) -> None:
    """Makes `folder`, which the parent process removes, the scratch folder and temporary directory of this process."""
    global _folder
    _folder = folder
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # chosen again from TMPDIR


def remove_at_exit(path: Path, lock: int) -> None:
    """Removes a file or folder when this process and its forks have ended in any way.

    lock: the descriptor that holds the lock of `path`, so that the lock is held until `path` is removed.
    """
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", WATCHER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        pass_fds=[lock],
        start_new_session=True,  # a signal to the process group of this process must not reach it
    )
    _watchers.append(watcher)


def remove_leftovers() -> None:
    """Removes the files and folders of processes that have ended: their locks are free."""
    folders = {Path(tempfile.gettempdir()), shared_folder()}
    for path in (path for folder in folders for path in folder.glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError):  # of another user, removed meanwhile, or on a file system without locks
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if not lock_descriptor(descriptor, blocking=False):
                    continue
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            finally:
                os.close(descriptor)


def _create_folder() -> Path:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            with contextlib.suppress(OSError):  # a file system without locks
                lock_descriptor(lock)
            folder.stat()  # before it was locked, another process may have removed it as a leftover
            remove_at_exit(folder, lock)
            atexit.register(_remove_in, os.getpid(), folder)  # at a normal end without the watcher's delay
            return folder


def _remove_in(process: int, folder: Path) -> None:
    if os.getpid() == process:  # not in a fork, which inherits what is registered at exit
        shutil.rmtree(folder, ignore_errors=True)
