"""Which planted fault is caught by which quantity: python benchmarks/gate.py [full|small]

Prints, per fault, the largest difference ÷ tolerance of each quantity, least over the backends; above 1 it is caught.
The first line is the gate with nothing planted, the largest over the backends.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from integration import variants
from integration.planting import FAULTS, QUANTITIES, planted, used


def main(size: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = planted(Path(folder), {} if size == "full" else variants.SMALL, at_once=1)
    print("| planted |", " | ".join(QUANTITIES), "|")
    print("|---|" + "---|" * len(QUANTITIES))
    clean = rows[rows["fault"].isna()]
    print("| nothing |", " | ".join(f"{value:.2g}" for value in used(clean)), "|")
    for fault in FAULTS:
        by_backend = rows[rows["fault"] == fault].groupby("backend")
        least = by_backend.apply(used).min()
        print(f"| {fault} |", " | ".join(f"**{v:.2g}**" if v > 1 else f"{v:.2g}" for v in least), "|")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "small")
