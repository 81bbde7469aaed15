import itertools

import keras
import pytest

from vitbench.backends.process import current_backend
from vitbench.measure.peak_flops import REPEATS, SIZES, measure_peak_flops


def clock_of_products(seconds: list[float]):
    """A clock that is read before and after each product of a size, which takes the next of `seconds`."""
    readings = itertools.chain.from_iterable((0.0, s) for s in seconds for _ in range(1 + REPEATS))
    return lambda: next(readings)


def test_sizes_are_tried_until_the_next_product_would_take_too_long(monkeypatch):
    sizes = []
    multiply = keras.ops.matmul
    monkeypatch.setattr(keras.ops, "matmul", lambda a, b: sizes.append(len(a)) or multiply(a[:1, :1], b[:1, :1]))
    peak = measure_peak_flops(clock_of_products([0.01, 0.04]))
    assert set(sizes) == {SIZES[0], SIZES[1]}
    assert peak == pytest.approx(2 * SIZES[1] ** 3 / 0.04)


def test_the_peak_is_that_of_the_sizes_that_fit_in_memory(monkeypatch):
    multiply = keras.ops.matmul

    def fail_at_second_size(a, b):
        if len(a) > SIZES[0]:
            raise MemoryError
        return multiply(a[:1, :1], b[:1, :1])

    monkeypatch.setattr(keras.ops, "matmul", fail_at_second_size)
    assert measure_peak_flops(clock_of_products([0.001, 0.001])) == pytest.approx(2 * SIZES[0] ** 3 / 0.001)


def test_another_error_is_raised(monkeypatch):
    def fail(a, b):
        raise ValueError("no such shape")

    monkeypatch.setattr(keras.ops, "matmul", fail)
    monkeypatch.setattr(current_backend(), "synchronize", lambda: None)
    with pytest.raises(ValueError, match="no such shape"):
        measure_peak_flops()
