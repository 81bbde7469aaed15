"""What Keras takes along when it is imported: python benchmarks/imports.py [rounds]

Seconds of `import keras` on each backend in a fresh process, as it is and without what no step needs, taking turns: the
medians, and the median of the rounds' ratios with the least and the largest.
"""

import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from vitbench.backends.registry import BACKENDS

TIMED = """
import contextlib, os, sys, time
backend, reduced, source = sys.argv[1:]
os.environ |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
sys.path.insert(0, source)
from vitbench.execution import imports
began = time.perf_counter()
with imports.of(backend) if reduced else contextlib.nullcontext():
    import keras
print(time.perf_counter() - began)
"""


def seconds(backend: str, reduced: bool) -> float:
    command = [sys.executable, "-c", TIMED, backend, "yes" if reduced else "", sys.path[0]]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1])


def main(rounds: str = "7") -> None:
    print(f"{'backend':12}{'as it is, s':>13}{'reduced, s':>12}{'ratio':>8}{'least':>8}{'largest':>9}")
    for backend in BACKENDS:
        taken = [(seconds(backend, False), seconds(backend, True)) for _ in range(int(rounds) + 1)][1:]
        ratios = [reduced / whole for whole, reduced in taken]
        whole, reduced = (statistics.median(column) for column in zip(*taken, strict=True))
        print(f"{backend:12}{whole:13.2f}{reduced:12.2f}", end="")
        print(f"{statistics.median(ratios):8.3f}{min(ratios):8.3f}{max(ratios):9.3f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
