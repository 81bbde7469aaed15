import json
import os
import pty
import subprocess
import sys
import time

from vitbench.system.fingerprint import SOURCE

JOB = """
import subprocess, sys, time
from pathlib import Path
from vitbench.system.logs import ProgressBar, UserError, log_to, notify

with log_to(Path("job.log"), step="train", seed=3):
    print("from Python", flush=True)
    subprocess.run(["echo", "from a child"])
    bar = ProgressBar("train vit", total=3, unit="epoch", completed=1)
    bar.advance(loss=0.5)
    notify("half-way")
    bar.advance(loss=0.25, val_accuracy=1.0)
    bar.close()
    if "fail" in sys.argv:
        raise UserError("no such file")
"""


def run_job(folder, *arguments: str, **options) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", JOB, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, text=True, timeout=60, **options)


def test_progress_is_printed_and_all_other_output_goes_to_the_log(tmp_path):
    ran = run_job(tmp_path, capture_output=True)
    assert ran.returncode == 0 and ran.stdout == ""
    lines = ran.stderr.splitlines()
    assert lines == ["half-way", "train vit: epoch 3/3, loss 0.250, val_accuracy 1.000, 0 s left"]
    log = (tmp_path / "job.log").read_text()
    for text in ("from Python", "from a child", "train vit: epoch 2/3 {'loss': '0.500'}", "half-way"):
        assert text in log
    record = json.loads((tmp_path / "job.json").read_text())
    assert record["step"] == "train" and record["seed"] == 3 and record["started_at"] < record["finished_at"]


def test_an_error_of_the_user_is_one_line_without_a_traceback(tmp_path):
    ran = run_job(tmp_path, "fail", capture_output=True)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == "Error: no such file" and "Traceback" not in ran.stderr


def test_a_terminal_shows_a_live_bar(tmp_path):
    master, terminal = pty.openpty()
    ran = run_job(tmp_path, stdout=terminal, stderr=terminal)
    os.close(terminal)
    time.sleep(0.1)
    shown = os.read(master, 100_000).decode()
    os.close(master)
    assert ran.returncode == 0
    assert "3/3" in shown and "loss 0.250, val_accuracy 1.000" in shown and "half-way" in shown
    assert "\x1b[" in shown and "s left" not in shown
