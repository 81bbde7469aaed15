"""Numbers are written with sensible digits, and what is not known is a dash."""

import pytest

from vitbench import formatting
from vitbench.formatting import format_count, format_number, format_spread, join_words

T = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1234.4, "1,234"),
        (23_704_456, "23,704,456"),
        (3.21e9, f"3.2{T}×{T}10⁹"),
        (3.1e-6, f"3.1{T}×{T}10⁻⁶"),
        (56.72, "56.7"),
        (0.01234, "0.0123"),
        (0, "0"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "infinite"),
    ],
)
def test_number(value, written):
    assert format_number(value) == written


def test_spread_needs_two_values_for_a_deviation():
    assert format_spread([0.9, 0.92]).replace("\N{NO-BREAK SPACE}", " ") == "0.910 ± 0.014"
    assert format_spread([0.9]) == "0.900"
    assert format_spread([]) == "–"


def test_lists_read_as_prose():
    assert join_words(["a", "b", "c"]) == "a, b and c"
    assert join_words(["a"]) == "a"
    assert format_count(1, "seed") == "1 seed"
    assert format_count(2, "seed") == "2 seeds"


@pytest.mark.parametrize("value", [1234.4, 23_704_456, 3.21e9, 3.1e-6, 56.72, 0.01234, 0, -17.3])
def test_what_was_written_sorts_as_it_was(value):
    assert formatting.sort_key(format_number(value)) == pytest.approx(value, rel=0.05)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("0.950\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.004", 0.95),
        ("0.930 to 0.960", 0.93),
        ("−0.021", -0.021),
        ("+0.021", 0.021),
        (f"17{T}%", 17),
        ("12 epochs", 12),
        ("at once", 0),
        ("never", float("inf")),
        ("infinite", float("inf")),
        ("–", None),
    ],
)
def test_words_around_a_number_do_not_keep_it_from_being_sorted(text, key):
    assert formatting.sort_key(text) == key
