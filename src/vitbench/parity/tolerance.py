"""How far the quantities of two backends differ, and whether that is within tolerance. NumPy alone."""

import numpy as np

from vitbench.config.parity import Tolerances

# Some gradients are zero in exact arithmetic, such as that of the bias of an attention's keys, and consist of rounding
# errors. So the difference of a gradient is relative to at least this share of the model's largest gradient.
SMALLEST_GRADIENT = 1e-3

# At the kinks of ReLU, an activation that is zero up to rounding switches parts of a gradient on or off. No backend is
# wrong then, so two gradients may differ by this many times the effect of rounding the weights on one backend.
ROUNDING_MULTIPLE = 4

Quantities = dict[str, np.ndarray]


def compare_quantities(computed: Quantities, expected: Quantities, tolerances: Tolerances) -> list[dict]:
    """A row of tables/parity for each quantity of `expected`, named as in vitbench.parity.quantities.

    Differences are relative to the largest magnitude of the expected quantity. That of the slope is relative to the
    length of the gradient, because along a random direction the slope itself may be nearly zero. If `expected` holds
    the effect of rounding on its gradients, their tolerance is at least a multiple of that.
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
    """The largest difference, absolute and relative to the largest expected magnitude or, if larger, `smallest_scale`.

    cosine: of the angle between the two, taken as vectors; None if they are no longer than rounding errors. NaN or
    infinity in `computed` fails at any tolerance.
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
    """The row whose difference is the largest part of its tolerance; NaN is worse than any number."""

    def tolerance_used(row: dict) -> float:
        size = row["max_rel_difference"]
        return np.inf if size is None or np.isnan(size) else size / row["tolerance"]

    return max(rows, key=tolerance_used)


def describe_row(row: dict) -> str:
    """A row as a clause."""
    weight = f" of {row['weight']}" if row.get("weight") else ""
    size = row["max_rel_difference"]
    result = "is NaN or infinite" if size is None else f"differs by {size:.2g} of the largest value"
    return (
        f"{row['quantity']}{weight} ({row['execution']}), compared with {row['reference_backend']}, {result}; "
        f"the tolerance is {row['tolerance']:.2g}"
    )
