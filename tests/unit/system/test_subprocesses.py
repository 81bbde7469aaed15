import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from vitbench.system.fingerprint import SOURCE
from vitbench.system.logs import UserError
from vitbench.system.subprocesses import KILLED, run_in_subprocess


def measure():
    return {"status": "measured", "pid": os.getpid()}


def hang():
    subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"])
    return {}


def raise_memory_error():
    raise MemoryError("no room")


def raise_long_error():
    raise RuntimeError(f"while compiling {'x' * 100_000}: CUDA_ERROR_OUT_OF_MEMORY")


def raise_user_error():
    raise UserError("no such file")


def crash():
    os.abort()


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def make_temporary_folder():
    folder = tempfile.mkdtemp()
    assert os.environ["TMPDIR"] in folder
    return {"status": "measured", "folder": folder}


def test_a_function_runs_in_a_process_of_its_own():
    outcome = run_in_subprocess(measure, (), float("inf"))
    assert outcome["status"] == "measured" and outcome["pid"] != os.getpid()


def test_a_function_that_takes_too_long_is_killed_with_all_its_descendants():
    started = time.monotonic()
    assert run_in_subprocess(hang, (), 3.0)["status"] == "abandoned"
    assert time.monotonic() - started < 20
    remaining = [p for p in psutil.Process().children(recursive=True) if "time.sleep(60)" in " ".join(p.cmdline())]
    assert remaining == []


def test_an_exception_or_a_crash_becomes_a_result():
    assert run_in_subprocess(raise_memory_error, (), 30) == {"status": "failed", "error": "MemoryError: no room"}
    assert run_in_subprocess(crash, (), 30)["error"] == "the process ended with exit code -6"


def test_a_killed_process_becomes_a_result():
    assert run_in_subprocess(kill_itself, (), float("inf")) == {"status": "failed", "error": KILLED}


def test_a_long_message_keeps_its_start_and_its_end():
    error = run_in_subprocess(raise_long_error, (), 30)["error"]
    assert error.startswith("RuntimeError: while compiling") and error.endswith("CUDA_ERROR_OUT_OF_MEMORY")
    assert len(error) < 2000


def test_a_user_error_is_raised_in_the_caller():
    with pytest.raises(UserError, match="no such file"):
        run_in_subprocess(raise_user_error, (), 30)


def test_the_temporary_files_of_the_process_are_removed():
    assert not Path(run_in_subprocess(make_temporary_folder, (), float("inf"))["folder"]).exists()


PARENT = """
import os, time
from vitbench.system.subprocesses import run_in_subprocess

def child():
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    run_in_subprocess(child, (), float("inf"))
"""


def test_the_process_ends_with_the_process_that_started_it(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "parent.py"]
    parent = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert psutil.wait_procs([child], timeout=20)[1] == []
