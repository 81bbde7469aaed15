"""Measures the import time of Keras: python benchmarks/imports.py [repetitions]

Times `import keras` in a fresh process on each backend: the full import and the reduced one, which leaves out the
packages that no step uses. The two take turns. Prints the median seconds of each, and the median, least and largest
ratio.
"""

import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from vitbench.backends.registry import BACKENDS

SOURCE = Path(__file__).parents[1] / "src"

TIMED_IMPORT = """
import contextlib, os, sys, time
backend, lean, source = sys.argv[1:]
os.environ |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
sys.path.insert(0, source)
from vitbench.backends.lean_import import lean_import
from vitbench.backends.registry import BACKENDS, get_backend
others = [get_backend(name).package for name in BACKENDS if name != backend]
started = time.perf_counter()
with lean_import(others) if lean else contextlib.nullcontext():
    import keras
print(time.perf_counter() - started)
"""


def time_import(backend: str, lean: bool) -> float:
    """Seconds of one import in a fresh process."""
    command = [sys.executable, "-c", TIMED_IMPORT, backend, "yes" if lean else "", str(SOURCE)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1])


def main(repetitions: str = "7") -> None:
    print(f"{'backend':12}{'full, s':>10}{'reduced, s':>12}{'ratio':>8}{'least':>8}{'largest':>9}")
    for backend in BACKENDS:
        pairs = [(time_import(backend, False), time_import(backend, True)) for _ in range(int(repetitions) + 1)]
        pairs = pairs[1:]  # the first pair fills the caches of the file system
        ratios = [reduced / full for full, reduced in pairs]
        full, reduced = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
        print(f"{backend:12}{full:10.2f}{reduced:12.2f}", end="")
        print(f"{statistics.median(ratios):8.3f}{min(ratios):8.3f}{max(ratios):9.3f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
