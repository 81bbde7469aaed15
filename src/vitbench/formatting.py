"""Formats numbers and lists for readers: significant digits, separators and units."""

import math
import re
import statistics
from collections.abc import Sequence

MISSING = "–"
_THIN = "\u202f"  # narrow no-break space between a number and its sign
_TO_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FROM_SUPERSCRIPT = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def format_number(value: float | None) -> str:
    """Three or more significant digits: 1,234, 56.7, 0.0123, 3.1 × 10⁻⁶.

    Whole numbers below 10⁹ are written in full. None and NaN are a dash, infinity is "infinite".
    """
    if value is None or math.isnan(value):
        return MISSING
    size = abs(value)
    if math.isinf(size):
        return "infinite"
    whole = size < 1e9 and float(value).is_integer()
    if (size >= 1e6 and not whole) or 0 < size < 1e-3:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}{_THIN}×{_THIN}10{str(int(exponent)).translate(_TO_SUPERSCRIPT)}"
    if size >= 1 or size == 0:
        return f"{value:,.{0 if whole or size >= 100 else 1 if size >= 10 else 2}f}"
    return f"{value:.{2 - math.floor(math.log10(size))}f}"


def format_share(value: float | None) -> str:
    """Three decimals, for an accuracy, another share between 0 and 1, or a difference of two: 0.912."""
    return MISSING if value is None or math.isnan(value) else f"{value:.3f}"


def format_percent(value: float | None) -> str:
    """A share between 0 and 1 as a percentage with three significant digits at most: 9.1 %."""
    return MISSING if value is None or math.isnan(value) else f"{100 * value:.3g}{_THIN}%"


def format_spread(values: Sequence[float]) -> str:
    """Mean ± sample standard deviation of shares between 0 and 1. One value stands alone; none is a dash."""
    present = [float(value) for value in values if value is not None and not math.isnan(value)]
    if len(present) < 2:
        return format_share(present[0] if present else None)
    mean, deviation = statistics.fmean(present), statistics.stdev(present)
    return f"{format_share(mean)}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{format_share(deviation)}"


def format_gibibytes(value: float | None) -> str:
    """A number of bytes in GiB with two decimals, without the unit."""
    return MISSING if value is None or math.isnan(value) else f"{value / 2**30:.2f}"


def format_ratio(value: float) -> str:
    """A ratio with its sign: 3.0 ×. Below 2 it has a second decimal, because one per cent may matter there: 1.04 ×."""
    return f"{value:.{1 if value >= 2 else 2}f}{_THIN}×"


def join_words(words: Sequence[str]) -> str:
    """a, b and c."""
    words = list(words)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def format_count(n: int, noun: str) -> str:
    """1 seed, 2 seeds."""
    return f"{format_number(n)} {noun}{'' if n == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """A duration in the unit that suits its size: 40 s, 12 min, 3.5 h or 2.1 days."""
    for limit, unit, name in ((100, 1, "s"), (6000, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.{1 if name == 'h' else 0}f} {name}"
    return f"{seconds / 86400:.1f} days"


def sort_key(text: str) -> float | None:
    """The first number in a text that the functions above wrote, to sort it by. None if it contains none."""
    number = re.search(rf"([−+-]?[\d,]*\.?\d+)(?:{_THIN}×{_THIN}10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text)
    if number is None:
        return {"infinite": math.inf, "never": math.inf, "at once": 0.0}.get(text)
    mantissa = float(number[1].replace(",", "").replace("−", "-"))
    return mantissa * 10.0 ** int((number[2] or "0").translate(_FROM_SUPERSCRIPT))
