"""What tuning gains and what Keras costs: python benchmarks/speed.py [results/speed]

Reads the throughput of every backend and execution, and prints ratios of training speeds with bootstrap intervals over
the timed blocks, the cost of a first step, and what a step spends its time on.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np

from vitbench.analysis.speeds import speed_interval
from vitbench.backends.registry import BACKENDS

SHARES = ("input_seconds_share", "host_seconds_share", "compute_seconds_share")


def main(root: str = "results/speed") -> None:
    found = {}
    for path in sorted(Path(root, "throughput", "vit").glob("*/*/float32.json")):
        rows = json.loads(path.read_text())["measurements"]
        found[path.parts[-3], path.parts[-2]] = next(row for row in rows if row["phase"] == "train")
    print(
        "| backend | execution | images/s | first step, s | another batch size, s | input | Keras' loop | step | MFU |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for backend, execution in sorted(found, key=lambda key: (BACKENDS.index(key[0]), key[1])):
        row = found[backend, execution]
        if row["status"] != "completed":
            print(f"| {backend} | {execution} | {row['status']}: {row['error']} |")
            del found[backend, execution]
            continue
        shares = " | ".join("–" if row[s] is None else f"{row[s]:.1%}" for s in SHARES)
        cold = f"{row['first_step_seconds']:.1f} | {row['recompile_seconds']:.1f}"
        print(f"| {backend} | {execution} | {row['images_per_second']:.2f} | {cold} | {shares} | {row['mfu']:.1%} |")
    print("\n| backend | ratio | speed | 95 % interval | first step |\n|---|---|---|---|---|")
    for backend in BACKENDS:
        for a, b in (("tuned", "published"), ("tuned", "native"), ("published", "native")):
            if (backend, a) in found and (backend, b) in found:
                print(f"| {backend} | {a} ÷ {b} | {compared(found[backend, a], found[backend, b])} |")


def compared(a: dict, b: dict) -> str:
    speeds = [np.array([block["images"] / block["seconds"] for block in row["blocks"]]) for row in (a, b)]
    low, high = (np.exp(bound) for bound in speed_interval(*speeds, 0.95))
    ratio = np.median(speeds[0]) / np.median(speeds[1])
    return f"{ratio:.2f} | {low:.2f} to {high:.2f} | {a['first_step_seconds'] / b['first_step_seconds']:.2f}"


if __name__ == "__main__":
    main(*sys.argv[1:])
