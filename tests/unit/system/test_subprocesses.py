import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from vitbench.system import subprocesses
from vitbench.system.logs import UserError
from vitbench.system.subprocesses import KILLED, run_in_subprocess


def _answer():
    return {"status": "measured", "pid": os.getpid()}


def _hang():
    import subprocess
    import sys

    subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"])
    return {}


def _fail():
    raise MemoryError("no room")


def _crash():
    os.abort()


def test_a_function_has_a_process_of_its_own():
    assert run_in_subprocess(_answer, (), float("inf"))["pid"] != os.getpid()


def test_one_that_takes_too_long_is_ended_with_all_that_it_started():
    began = time.monotonic()
    assert run_in_subprocess(_hang, (), 3.0)["status"] == "abandoned"
    assert time.monotonic() - began < 20
    left = [p for p in psutil.Process().children(recursive=True) if "time.sleep(60)" in " ".join(p.cmdline())]
    assert left == []


def test_one_that_raises_or_crashes_is_a_record():
    assert run_in_subprocess(_fail, (), 30) == {"status": "failed", "error": "MemoryError: no room"}
    assert run_in_subprocess(_crash, (), 30)["error"] == "the process ended with exit code -6"


def _fail_at_length():
    raise RuntimeError(f"while compiling {'x' * 100_000}: CUDA_ERROR_OUT_OF_MEMORY")


def test_of_a_long_message_the_end_is_told_too():
    error = run_in_subprocess(_fail_at_length, (), 30)["error"]
    assert error.startswith("RuntimeError: while compiling") and error.endswith("CUDA_ERROR_OUT_OF_MEMORY")
    assert len(error) < 2000


def _refuse():
    raise UserError("no such file")


def test_what_the_user_can_mend_reaches_the_caller():
    with pytest.raises(UserError, match="no such file"):
        run_in_subprocess(_refuse, (), 30)


def _is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def test_one_that_is_killed_is_told():
    assert run_in_subprocess(_is_killed, (), float("inf")) == {"status": "failed", "error": KILLED}


def _temporary_folder():
    folder = tempfile.mkdtemp()
    assert os.environ["TMPDIR"] in folder
    return {"status": "measured", "folder": folder}


def test_what_it_leaves_in_its_folder_is_gone():
    assert not Path(run_in_subprocess(_temporary_folder, (), float("inf"))["folder"]).exists()


PARENT = """
import sys, time
from vitbench.system.subprocesses import run_in_subprocess

def child():
    print(os.getpid(), flush=True)
    time.sleep(600)

import os
if __name__ == "__main__":
    run_in_subprocess(child, (), float("inf"))
"""


def test_it_ends_with_the_process_that_started_it(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    found = os.environ | {"PYTHONPATH": str(Path(subprocesses.__file__).parents[2])}
    command = [sys.executable, "parent.py"]
    parent = subprocess.Popen(command, cwd=tmp_path, env=found, stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    assert psutil.wait_procs([child], timeout=20)[1] == []
