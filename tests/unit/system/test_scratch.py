"""Real processes that are killed leave no folder in the temporary directory."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vitbench.system.fingerprint import SOURCE

PARENT = """
import os, signal, sys, time
from pathlib import Path
from vitbench.system.scratch import scratch_folder
from vitbench.system.subprocesses import run_in_subprocess


def child():
    Path(os.environ["TMPDIR"], "left-by-child").touch()
    print(scratch_folder(), os.getpid(), flush=True)
    time.sleep(600)


if __name__ == "__main__":
    print(scratch_folder(), os.getpid(), flush=True)
    run_in_subprocess(child, (), float("inf"))
"""


def start(folder: Path) -> tuple[subprocess.Popen, list[int]]:
    """A process with a child, both with scratch folders in the temporary directory `folder`; their process numbers."""
    (folder / "parent.py").write_text(PARENT)
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "TMPDIR": str(temporary)}
    command = [sys.executable, "parent.py"]
    options = {"stdout": subprocess.PIPE, "text": True, "start_new_session": True}
    process = subprocess.Popen(command, cwd=folder, env=environment, **options)
    lines = [process.stdout.readline().split() for _ in range(2)]
    assert all(Path(path).is_dir() for path, _ in lines)
    return process, [int(pid) for _, pid in lines]


def wait_until_empty(temporary: Path) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and list(temporary.iterdir()):
        time.sleep(0.1)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("killed", ["parent", "child", "both", "process group"])
def test_killed_processes_leave_no_folder(tmp_path, killed):
    process, (parent, child) = start(tmp_path)
    if killed == "process group":
        os.killpg(parent, signal.SIGKILL)
    for pid in {"parent": [parent], "child": [child], "both": [child, parent]}.get(killed, []):
        os.kill(pid, signal.SIGKILL)
    process.wait(timeout=30)
    wait_until_empty(tmp_path / "tmp")


def test_a_process_that_ends_leaves_no_folder(tmp_path):
    line = "from vitbench.system.scratch import scratch_folder as f; assert f() == f() and f().is_dir()"
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", line], env=environment, check=True, timeout=60)
    wait_until_empty(tmp_path)


def test_the_next_process_removes_the_folder_of_one_whose_watcher_was_killed_too(tmp_path):
    abandoned = tmp_path / "vitbench-abandoned"
    abandoned.mkdir()
    (abandoned / ".lock").touch()
    line = "from vitbench.system.scratch import scratch_folder; print(scratch_folder())"
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", line], env=environment, check=True, timeout=60)
    assert not abandoned.exists()


def test_a_process_keeps_the_folders_of_processes_that_run(tmp_path):
    process, _ = start(tmp_path)
    before = sorted((tmp_path / "tmp").glob("vitbench-*"))
    line = "from vitbench.system.scratch import scratch_folder; print(scratch_folder())"
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "TMPDIR": str(tmp_path / "tmp")}
    subprocess.run([sys.executable, "-c", line], env=environment, check=True, timeout=60)
    assert before and sorted((tmp_path / "tmp").glob("vitbench-*"))[: len(before)] == before
    process.kill()
    process.wait(timeout=30)
    wait_until_empty(tmp_path / "tmp")
