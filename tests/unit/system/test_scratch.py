"""Processes that are really killed leave nothing in the temporary directory."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from vitbench.system.fingerprint import SOURCE
from vitbench.system.scratch import PREFIX

# A process that has claimed a GPU and waits for a subprocess.
PARENT = """
import os, subprocess, sys, time
from pathlib import Path
from vitbench.system.gpu_claim import claim_gpu
from vitbench.system.scratch import scratch_folder
from vitbench.system.subprocesses import run_in_subprocess


def child():
    Path(os.environ["TMPDIR"], "temporary").touch()
    Path(scratch_folder(), "cache").touch()
    print(os.getpid(), scratch_folder(), flush=True)
    time.sleep(600)


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = "4"
    claim_gpu("auto", Path(os.environ["TMPDIR"]))
    print(os.getpid(), scratch_folder(), flush=True)
    run_in_subprocess(child, (), float("inf"))
"""

USE_FOLDER = "from vitbench.system.scratch import scratch_folder; print(scratch_folder())"


@pytest.fixture
def temporary(tmp_path) -> Path:
    """The temporary directory of the processes of a test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def environment(temporary: Path) -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if name != "SLURM_JOB_ID"}
    return variables | {"PYTHONPATH": str(SOURCE), "TMPDIR": str(temporary)}


def start(temporary: Path) -> tuple[subprocess.Popen, int, int]:
    """Starts PARENT. Returns it, and the process numbers of itself and its child, once both use their folders."""
    script = temporary.parent / "parent.py"
    script.write_text(PARENT)
    process = subprocess.Popen(
        [sys.executable, script.name],
        cwd=script.parent,
        env=environment(temporary),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    (parent, parent_folder), (child, child_folder) = (process.stdout.readline().split() for _ in range(2))
    assert temporary in Path(parent_folder).parents and Path(parent_folder) in Path(child_folder).parents
    return process, int(parent), int(child)


def run_python(code: str, temporary: Path) -> str:
    command = [sys.executable, "-c", code]
    completed = subprocess.run(
        command, env=environment(temporary), check=True, timeout=60, capture_output=True, text=True
    )
    return completed.stdout


def wait_until_empty(folder: Path) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and list(folder.iterdir()):
        time.sleep(0.1)
    assert list(folder.iterdir()) == []


def watchers(folder: Path) -> list[psutil.Process]:
    """The shells that will remove something in `folder`."""
    return [p for p in psutil.process_iter(["cmdline"]) if str(folder) in (p.info["cmdline"] or [""])[-1]]


@pytest.mark.parametrize("victim", ["parent", "child", "both", "process group"])
def test_killed_processes_leave_nothing(temporary, victim):
    process, parent, child = start(temporary)
    if victim == "process group":
        os.killpg(parent, signal.SIGKILL)
    for number in {"parent": [parent], "child": [child], "both": [child, parent]}.get(victim, []):
        os.kill(number, signal.SIGKILL)
    process.wait(timeout=30)
    wait_until_empty(temporary)
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_processes_leave_nothing(temporary, number):
    process, parent, _ = start(temporary)
    os.killpg(parent, number)
    process.wait(timeout=30)
    wait_until_empty(temporary)
    process.stdout.close()


def test_a_child_that_still_writes_after_its_parent_was_killed_leaves_nothing(temporary):
    writer = (
        "import subprocess, sys; from vitbench.system.scratch import scratch_folder; "
        "command = 'for i in $(seq 50); do mkdir -p $0/$i; sleep 0.01; done'; "
        "subprocess.Popen(['sh', '-c', command, str(scratch_folder())]); print(flush=True); "
        "import time; time.sleep(600)"
    )
    command = [sys.executable, "-c", writer]
    process = subprocess.Popen(command, env=environment(temporary), stdout=subprocess.PIPE)
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=30)
    wait_until_empty(temporary)


def test_a_process_that_ends_normally_leaves_nothing(temporary):
    run_python("from vitbench.system.scratch import scratch_folder as f; assert f() == f() and f().is_dir()", temporary)
    wait_until_empty(temporary)


def test_a_fork_does_not_remove_the_folder_of_its_parent(temporary):
    fork = (
        "import os, sys; from vitbench.system.scratch import scratch_folder\n"
        "folder = scratch_folder()\n"
        "if os.fork() == 0: sys.exit()\n"
        "os.wait(); assert folder.is_dir()"
    )
    run_python(fork, temporary)
    wait_until_empty(temporary)


def test_the_next_process_removes_what_is_left_if_the_watchers_are_killed_too(temporary):
    process, parent, _ = start(temporary)
    shells = watchers(temporary)
    assert len(shells) == 2  # of the folder and of the lock file of the GPU
    for shell in shells:
        shell.kill()
    os.killpg(parent, signal.SIGKILL)
    process.communicate(timeout=30)
    psutil.wait_procs(shells, timeout=10)
    assert len(list(temporary.glob(f"{PREFIX}*"))) == 2
    run_python(USE_FOLDER, temporary)
    wait_until_empty(temporary)


def test_a_process_keeps_the_folders_of_running_processes_and_other_machines(temporary):
    other = temporary / "vitbench-zzzz-of-another-machine"
    other.mkdir()
    process, parent, _ = start(temporary)
    before = set(temporary.iterdir())
    run_python(USE_FOLDER, temporary)
    assert len(before) == 3 and before <= set(temporary.iterdir())
    os.killpg(parent, signal.SIGKILL)
    process.communicate(timeout=30)
    other.rmdir()
    wait_until_empty(temporary)


def test_on_a_file_system_without_locks_a_process_removes_only_its_own_folder(temporary):
    folder = temporary / f"{PREFIX}in-use"
    folder.mkdir()
    without_locks = (
        "import errno, filelock\n"
        "def fail(*_, **__): raise OSError(errno.ENOLCK, 'No locks available')\n"
        "filelock.lock_descriptor = fail\n"
    )
    used = Path(run_python(without_locks + USE_FOLDER, temporary).strip())
    assert used.parent == temporary and folder.is_dir()
    shutil.rmtree(folder)
    wait_until_empty(temporary)
