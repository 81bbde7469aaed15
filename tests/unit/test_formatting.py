import math

import pytest

from vitbench.formatting import (
    format_count,
    format_duration,
    format_gibibytes,
    format_number,
    format_percent,
    format_ratio,
    format_share,
    format_spread,
    join_words,
    sort_key,
)

T = "\N{NARROW NO-BREAK SPACE}"
S = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1797, "1,797"),
        (1234.4, "1,234"),
        (23_704_456, "23,704,456"),
        (3.21e9, f"3.2{T}×{T}10⁹"),
        (3.1e-6, f"3.1{T}×{T}10⁻⁶"),
        (56.72, "56.7"),
        (5.672, "5.67"),
        (0.01234, "0.0123"),
        (-17.3, "-17.3"),
        (12, "12"),
        (0, "0"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "infinite"),
    ],
)
def test_a_number_has_three_significant_digits_and_whole_numbers_have_all(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0912, f"9.12{T}%"), (0.091, f"9.1{T}%"), (0.5, f"50{T}%"), (None, "–")])
def test_a_percentage_has_at_most_three_significant_digits(value, text):
    assert format_percent(value) == text


def test_a_share_has_three_decimals():
    assert format_share(0.91249) == "0.912"
    assert format_share(math.nan) == format_share(None) == "–"


def test_a_spread_needs_two_values_for_a_deviation():
    assert format_spread([0.9, 0.92]) == f"0.910{S}±{S}0.014"
    assert format_spread([0.9]) == format_spread([0.9, math.nan]) == "0.900"
    assert format_spread([]) == "–"


def test_bytes_are_written_in_gibibytes():
    assert format_gibibytes(3 * 2**29) == "1.50"
    assert format_gibibytes(None) == "–"


def test_a_ratio_below_2_has_a_second_decimal():
    assert format_ratio(3.04) == f"3.0{T}×"
    assert format_ratio(1.04) == f"1.04{T}×"


@pytest.mark.parametrize(
    ("seconds", "text"), [(40.4, "40 s"), (720, "12 min"), (12_600, "3.5 h"), (181_440, "2.1 days")]
)
def test_a_duration_has_a_unit_that_suits_its_size(seconds, text):
    assert format_duration(seconds) == text


def test_lists_and_counts_read_as_prose():
    assert join_words(["a", "b", "c"]) == "a, b and c"
    assert join_words(["a"]) == "a"
    assert format_count(1, "seed") == "1 seed"
    assert format_count(2, "seed") == "2 seeds"
    assert format_count(1797, "image") == "1,797 images"


@pytest.mark.parametrize("value", [1234.4, 23_704_456, 3.21e9, 3.1e-6, 56.72, 0.01234, 0, -17.3])
def test_a_formatted_number_sorts_as_the_number(value):
    assert sort_key(format_number(value)) == pytest.approx(value, rel=0.05)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"0.950{S}±{S}0.004", 0.95),
        ("0.930 to 0.960", 0.93),
        ("−0.021", -0.021),
        ("+0.021", 0.021),
        ("1,797 to 2,010", 1797),
        (f"17{T}%", 17),
        ("12 epochs", 12),
        ("at once", 0),
        ("never", math.inf),
        ("infinite", math.inf),
        ("–", None),
    ],
)
def test_a_text_sorts_by_its_first_number(text, key):
    assert sort_key(text) == key
