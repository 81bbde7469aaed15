"""Shows what tuning gains and what Keras costs: python benchmarks/speed.py [results/speed]

Reads the throughput of every backend and execution mode. Prints the training speeds with the first steps and the time
breakdown, and the ratios of speeds with bootstrap intervals over the timed blocks.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np

from vitbench.analysis.speeds import speed_interval
from vitbench.backends.registry import BACKENDS, backend_position

SHARES = ("input_seconds_share", "host_seconds_share", "compute_seconds_share")


def main(root: str = "results/speed") -> None:
    training = {}
    for path in sorted(Path(root, "throughput", "vit").glob("*/*/float32.json")):
        rows = json.loads(path.read_text())["measurements"]
        training[path.parts[-3], path.parts[-2]] = next(row for row in rows if row["phase"] == "train")
    headings = ("backend", "execution mode", "images/s", "first step, s", "another batch size, s")
    print("|", " | ".join((*headings, "input", "Keras' loop", "step", "MFU")), "|")
    print("|---|---|---|---|---|---|---|---|---|")
    for backend, execution in sorted(training, key=lambda key: (backend_position(key[0]), key[1])):
        row = training[backend, execution]
        if row["status"] != "completed":
            print(f"| {backend} | {execution} | {row['status']}: {row['error']} |")
            del training[backend, execution]
            continue
        shares = " | ".join("–" if row[s] is None else f"{row[s]:.1%}" for s in SHARES)
        speed = f"{row['images_per_second']:.2f}"
        first_steps = f"{row['first_step_seconds']:.1f} | {row['recompile_seconds']:.1f}"
        print(f"| {backend} | {execution} | {speed} | {first_steps} | {shares} | {row['mfu']:.1%} |")
    print("\n| backend | ratio | speed | 95 % interval | first step |\n|---|---|---|---|---|")
    for backend in BACKENDS:
        for a, b in (("tuned", "published"), ("tuned", "native"), ("published", "native")):
            if (backend, a) in training and (backend, b) in training:
                print(f"| {backend} | {a} ÷ {b} | {compare_speeds(training[backend, a], training[backend, b])} |")


def compare_speeds(a: dict, b: dict) -> str:
    """The ratio of two training speeds, its interval and the ratio of the first steps, as cells of a table."""
    speeds = [np.array([block["images"] / block["seconds"] for block in row["blocks"]]) for row in (a, b)]
    low, high = (np.exp(bound) for bound in speed_interval(*speeds, 0.95))
    ratio = np.median(speeds[0]) / np.median(speeds[1])
    return f"{ratio:.2f} | {low:.2f} to {high:.2f} | {a['first_step_seconds'] / b['first_step_seconds']:.2f}"


if __name__ == "__main__":
    main(*sys.argv[1:])
