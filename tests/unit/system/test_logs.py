import json
import os
import pty
import re
import subprocess
import sys
from itertools import pairwise

from vitbench.system.fingerprint import SOURCE

JOB = """
import subprocess, sys, time
from pathlib import Path
from vitbench.system.logs import ProgressBar, UserError, log_to, notify

with log_to(None if "no log" in sys.argv else Path("job.log"), step="train", seed=3):
    print("from Python", flush=True)
    subprocess.run(["echo", "from a child"])
    bar = ProgressBar("train vit · [torch]", total=3, unit="epoch", completed=1)
    bar.advance(loss=0.5)
    notify("half-way [b]")
    if "fail" in sys.argv:
        raise UserError("no such file")
    bar.advance(loss=0.25, val_accuracy=1.0)
    bar.close()
    notify("done")
"""
ESCAPE = re.compile(r"\x1b\[[\d;?]*[a-zA-Z]")


def run_job(folder, *arguments: str, **options) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "PYTHONUTF8": "1"}
    command = [sys.executable, "-c", JOB, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, text=True, timeout=60, **options)


def run_job_on_terminal(folder, *arguments: str) -> tuple[int, str]:
    """The exit status of the job, and all that it wrote to its terminal."""
    master, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as file:
        completed = run_job(folder, *arguments, stdout=file, stderr=file)
        os.write(terminal, b"\nEND")
        output = b""
        while not output.endswith(b"END"):
            output += os.read(master, 100_000)
    os.close(master)
    return completed.returncode, output.decode()


def visible_lines(output: str) -> list[str]:
    """What a terminal shows at the end: a carriage return starts the line anew, and an escape sequence erases it."""
    lines = []
    for line in output.replace("\r\n", "\n").split("\n"):
        lines.append(ESCAPE.sub("", line.rpartition("\x1b[2K")[2].rpartition("\r")[2]).rstrip())
    return lines


def test_progress_is_printed_and_all_other_output_goes_to_the_log(tmp_path):
    completed = run_job(tmp_path, capture_output=True)
    assert completed.returncode == 0 and completed.stdout == ""
    assert completed.stderr.splitlines() == [
        "half-way [b]",
        "train vit · [torch]: epoch 3/3, loss 0.250, val_accuracy 1.000, 0 s left",
        "done",
    ]
    log = (tmp_path / "job.log").read_text()
    for text in ("from Python", "from a child", "train vit · [torch]: epoch 2/3, loss 0.500", "half-way [b]"):
        assert text in log
    record = json.loads((tmp_path / "job.json").read_text())
    assert record["step"] == "train" and record["seed"] == 3 and record["started_at"] < record["finished_at"]


def test_lines_of_progress_are_ten_seconds_apart_where_there_is_no_terminal(tmp_path):
    code = (
        "import time; from vitbench.system.logs import ProgressBar; now = time.monotonic; "
        "bar = ProgressBar('tune', total=100, unit='step'); passed = 0\n"
        "for i in range(100): passed += 1; time.monotonic = lambda: now() + passed; bar.advance(loss=i)"
    )
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    completed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    steps = [int(step) for step in re.findall(r"step (\d+)/100, loss [\d.]+, \d+ s left", completed.stderr)]
    assert len(steps) in (10, 11) and steps[-1] == 100
    assert all(later - earlier >= 10 for earlier, later in pairwise(steps[:-1]))


def test_a_user_error_is_one_line_without_a_traceback(tmp_path):
    completed = run_job(tmp_path, "fail", capture_output=True)
    assert completed.returncode == 1
    assert completed.stderr.splitlines()[-1] == "Error: no such file" and "Traceback" not in completed.stderr


def test_a_terminal_shows_a_live_bar(tmp_path):
    status, output = run_job_on_terminal(tmp_path)
    assert status == 0
    assert "\x1b[" in output and "s left" not in output and "from Python" not in output
    lines = visible_lines(output)
    (bar,) = [line for line in lines if "train vit · [torch]" in line and "3/3" in line]
    assert "loss 0.250, val_accuracy 1.000" in bar
    assert lines.index("half-way [b]") < lines.index(bar) < lines.index("done")


def test_a_live_bar_is_not_broken_by_log_lines_when_there_is_no_log_file(tmp_path):
    status, output = run_job_on_terminal(tmp_path, "no log")
    assert status == 0
    assert "from Python" in output and "INFO" not in output
    lines = visible_lines(output)
    (bar,) = [line for line in lines if "train vit · [torch]" in line and "3/3" in line]
    assert lines.index("half-way [b]") < lines.index(bar) < lines.index("done")


def test_a_job_that_fails_gives_the_cursor_back_to_the_terminal(tmp_path):
    status, output = run_job_on_terminal(tmp_path, "fail")
    assert status == 1
    assert "Error: no such file" in visible_lines(output)
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")
