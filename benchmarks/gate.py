"""Shows which quantity of the parity gate catches which planted fault: python benchmarks/gate.py [full|small]

Prints the largest difference ÷ tolerance of each quantity per fault, for the backend where it is least. A value above 1
means that the fault is caught. The first row has no fault, and the values of the backend where they are largest.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.backend_processes import BackendProcesses
from integration.gate_trials import FAULTS, QUANTITIES, largest_ratios, run_gate_trials
from integration.model_variants import SMALL


def main(size: str) -> None:
    vit = {} if size == "full" else SMALL
    with tempfile.TemporaryDirectory() as folder, BackendProcesses() as processes:
        rows = run_gate_trials(processes, Path(folder), vit, at_once=1)
    print("| planted |", " | ".join(QUANTITIES), "|")
    print("|---|" + "---|" * len(QUANTITIES))
    clean = rows[rows["fault"].isna()]
    print("| nothing |", " | ".join(f"{value:.2g}" for value in largest_ratios(clean)), "|")
    for fault in FAULTS:
        groups = rows[rows["fault"] == fault].groupby("backend")
        least = groups.apply(largest_ratios).min()
        print(f"| {fault} |", " | ".join(f"**{v:.2g}**" if v > 1 else f"{v:.2g}" for v in least), "|")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "small")
