import os
import signal
import time

import psutil
import pytest

from vitbench.processes import KILLED, each_from_a_process, in_a_process
from vitbench.progress import UserError


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
    assert in_a_process(_answer, (), float("inf"))["pid"] != os.getpid()


def test_one_that_takes_too_long_is_ended_with_all_that_it_started():
    began = time.monotonic()
    assert in_a_process(_hang, (), 3.0)["status"] == "abandoned"
    assert time.monotonic() - began < 20
    left = [p for p in psutil.Process().children(recursive=True) if "time.sleep(60)" in " ".join(p.cmdline())]
    assert left == []


def test_one_that_raises_or_crashes_is_a_record():
    assert in_a_process(_fail, (), 30) == {"status": "failed", "error": "MemoryError: no room"}
    assert in_a_process(_crash, (), 30)["error"] == "the process ended with exit code -6"


def _refuse():
    raise UserError("no such file")


def test_what_the_user_can_mend_reaches_the_caller():
    with pytest.raises(UserError, match="no such file"):
        in_a_process(_refuse, (), 30)


def _count(last):
    yield {"n": 1}
    yield {"n": 2}
    if last == "fails":
        raise MemoryError("no room")
    if last == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("last", "end"),
    [
        ("ends", []),
        ("fails", [{"status": "failed", "error": "MemoryError: no room"}]),
        ("is killed", [{"status": "failed", "error": KILLED}]),
    ],
)
def test_what_was_found_before_the_end_is_not_lost(last, end):
    assert list(each_from_a_process(_count, (last,))) == [{"n": 1}, {"n": 2}, *end]
