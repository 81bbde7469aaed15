"""How far two backends' quantities are apart, and whether that is within tolerance. NumPy alone."""

import numpy as np

from vitbench.config.schema import Tolerances

# A weight whose gradient is, in exact arithmetic, zero (such as the bias of an attention's keys) has one of rounding
# errors alone. So a gradient's difference is taken relative to no less than this share of the model's largest.
LEAST_GRADIENT = 1e-3

# Where a network has kinks, as those of ReLU, an activation that is zero but for rounding switches parts of a gradient
# on or off, and no backend is to blame. Two may differ by this many times what rounding the weights does on one.
ROUNDING_MULTIPLE = 4

Quantities = dict[str, np.ndarray]


def compare_quantities(found: Quantities, expected: Quantities, tolerances: Tolerances) -> list[dict]:
    """A row of tables/parity for each quantity of `expected`; their names are those that vitbench.sameness gives them.

    Differences are relative to the largest magnitude of the expected quantity; that of the slope to the length of the
    gradient, since along a direction drawn by chance the slope itself may be nearly zero. If `expected` knows how much
    rounding changes its gradients, they cannot be compared more closely than that.
    """
    rounding = float(expected["rounding"][0]) if "rounding" in expected else 0.0
    gradients = [value.astype(np.float64) for name, value in found.items() if name.startswith("gradient/")]
    least = {
        "gradient": LEAST_GRADIENT * max((np.abs(value).max() for value in gradients), default=0),
        "slope": np.sqrt(sum(np.vdot(value, value) for value in gradients)),
    }
    rows = []
    for name, value in expected.items():
        quantity, _, weight = name.partition("/")
        if quantity == "rounding":
            continue
        tolerance = getattr(tolerances, quantity)
        if quantity == "gradient":
            tolerance = max(tolerance, ROUNDING_MULTIPLE * rounding)
        row = measure_difference(found[name], value, tolerance, least.get(quantity, 0))
        rows.append({"quantity": quantity, "weight": weight or None, **row})
    return rows


def measure_difference(found: np.ndarray, expected: np.ndarray, tolerance: float, least: float = 0) -> dict:
    """The largest difference, absolute and relative to the largest magnitude expected, but at least to `least`.

    cosine: of the angle between the two, taken as vectors; null where they are shorter than rounding errors. A value
    that is no number fails, whatever the tolerance.
    """
    found, expected = (np.asarray(value, np.float64).ravel() for value in (found, expected))
    if not np.isfinite(found).all():
        return dict.fromkeys(("max_abs_difference", "max_rel_difference", "cosine")) | _judged(tolerance, False)
    largest = float(np.abs(found - expected).max())
    scale = float(max(np.abs(expected).max(), least))
    relative = largest / scale if scale else float(largest > 0)
    lengths = np.linalg.norm(found) * np.linalg.norm(expected)
    meaningful = len(expected) > 1 and np.abs(expected).max() > least
    return {
        "max_abs_difference": largest,
        "max_rel_difference": relative,
        "cosine": float(found @ expected / lengths) if meaningful and lengths else None,
        **_judged(tolerance, relative <= tolerance),
    }


def _judged(tolerance: float, passed: bool) -> dict:
    return {"tolerance": tolerance, "passed": bool(passed)}


def find_worst(rows: list[dict]) -> dict:
    """The row whose difference is the largest part of its tolerance; no number is worse than any."""

    def used(row: dict) -> float:
        size = row["max_rel_difference"]
        return np.inf if size is None or np.isnan(size) else size / row["tolerance"]

    return max(rows, key=used)


def describe_row(row: dict) -> str:
    """What a row says, in a clause."""
    of_weight = f" of {row['weight']}" if row.get("weight") else ""
    size = row["max_rel_difference"]
    by = "is not a number everywhere" if size is None else f"differs by {size:.2g} of the largest value"
    return (
        f"{row['quantity']}{of_weight} ({row['execution']}), compared with {row['reference_backend']}, {by}; "
        f"the tolerance is {row['tolerance']:.2g}"
    )
