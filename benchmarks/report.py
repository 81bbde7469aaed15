"""Measures the time to render the report, and its size: python benchmarks/report.py [seeds …]

The results are made up: four configurations, 100 epochs. Prints, for each number of seeds, the runs, the seconds of the
whole command and the size of the file.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers import fake_results

SOURCE = Path(__file__).parents[1] / "src"
MEBIBYTE = 2**20


def main(*seeds: str) -> None:
    print(f"{'runs':>6}{'seconds':>10}{'MiB':>8}")
    for n in map(int, seeds or (3, 15, 125)):
        with tempfile.TemporaryDirectory() as folder:
            settings = fake_results.make_config(seeds=range(n), training={"epochs": 100, "batch_size": 64})
            fake_results.write_directory(Path(folder, "results"), settings)
            config = Path(folder, "config.json")
            config.write_text(settings.model_dump_json())
            started = time.perf_counter()
            command = [sys.executable, "-m", "vitbench", "report", "--config", str(config)]
            environment = os.environ | {"PYTHONPATH": str(SOURCE)}
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
            seconds = time.perf_counter() - started
            size = Path(folder, "results", settings.experiment, "report.html").stat().st_size
            print(f"{n * len(settings.model_backends()):6}{seconds:10.1f}{size / MEBIBYTE:8.2f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
