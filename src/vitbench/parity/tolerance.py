"""How much the quantities of two backends differ, and whether that is within tolerance. Uses NumPy only."""

import numpy as np

from vitbench.config.parity import Tolerances

# Some gradients are zero in exact arithmetic and consist of rounding errors, such as that of the key bias in attention.
# So the difference of a gradient is relative to at least this share of the largest gradient of the model.
SMALLEST_GRADIENT = 1e-3

# At the kink of ReLU, an activation that is zero up to rounding switches part of a gradient on or off, and neither
# backend is wrong. So two gradients may differ by this many times the effect of rounding the weights on one backend.
ROUNDING_MULTIPLE = 4

Quantities = dict[str, np.ndarray]


def compare_quantities(computed: Quantities, expected: Quantities, tolerances: Tolerances) -> list[dict]:
    """A row of tables/parity for each quantity of `expected`, named as in vitbench.parity.quantities.

    Differences are relative to the largest magnitude of the expected quantity. The slope is an exception: along a
    random direction it may be nearly zero, so its difference is relative to the length of the gradient. If `expected`
    contains `rounding`, the tolerance of the gradients is at least ROUNDING_MULTIPLE times that.
    """
    rounding = float(expected["rounding"][0]) if "rounding" in expected else 0.0
    gradients = [value.astype(np.float64) for name, value in computed.items() if name.startswith("gradient/")]
    smallest_scale = {
        "gradient": SMALLEST_GRADIENT * max((np.abs(value).max() for value in gradients), default=0),
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
        row = measure_difference(computed[name], value, tolerance, smallest_scale.get(quantity, 0))
        rows.append({"quantity": quantity, "weight": weight or None, **row})
    return rows


def measure_difference(computed: np.ndarray, expected: np.ndarray, tolerance: float, smallest_scale: float = 0) -> dict:
    """The columns of tables/parity that compare `computed` with `expected`.

    Relative differences are relative to the largest expected magnitude or, if that is larger, to `smallest_scale`. The
    cosine is that of the angle between the two vectors; it is None if they consist of rounding errors. NaN or infinity
    in `computed` fails at any tolerance.
    """
    computed, expected = (np.asarray(value, np.float64).ravel() for value in (computed, expected))
    if not np.isfinite(computed).all():
        return {
            "max_abs_difference": None,
            "max_rel_difference": None,
            "cosine": None,
            "tolerance": tolerance,
            "passed": False,
        }
    largest = float(np.abs(computed - expected).max())
    scale = float(max(np.abs(expected).max(), smallest_scale))
    relative = largest / scale if scale else float(largest > 0)
    lengths = np.linalg.norm(computed) * np.linalg.norm(expected)
    has_direction = len(expected) > 1 and np.abs(expected).max() > smallest_scale
    return {
        "max_abs_difference": largest,
        "max_rel_difference": relative,
        "cosine": float(computed @ expected / lengths) if has_direction and lengths else None,
        "tolerance": tolerance,
        "passed": bool(relative <= tolerance),
    }


def find_worst(rows: list[dict]) -> dict:
    """The row whose difference is largest relative to its tolerance; NaN is worse than any number."""

    def tolerance_used(row: dict) -> float:
        size = row["max_rel_difference"]
        return np.inf if size is None or np.isnan(size) else size / row["tolerance"]

    return max(rows, key=tolerance_used)


def describe_row(row: dict) -> str:
    """The row in words, for use within a sentence."""
    weight = f" of {row['weight']}" if row.get("weight") else ""
    size = row["max_rel_difference"]
    result = "is NaN or infinite" if size is None else f"differs by {size:.2g} of the largest value"
    return (
        f"{row['quantity']}{weight} ({row['execution']}), compared with {row['reference_backend']}, {result}; "
        f"the tolerance is {row['tolerance']:.2g}"
    )
