"""The peak FLOP/s of the device as this process can reach it: that of the fastest product of two square matrices."""

import time
from collections.abc import Callable

import keras

from vitbench.backends.process import current_backend

SIZES = (1024, 2048, 4096, 8192, 16384)
REPEATS = 3
LONGEST_SECONDS = 0.1  # expected, of one product; larger sizes are not tried


def measure_peak_flops(clock: Callable[[], float] = time.perf_counter) -> float:
    """The largest 2n³ ÷ seconds of an n × n product in the precision of this process, FLOP/s.

    Larger matrices are tried as long as a product is expected to take LONGEST_SECONDS at most and fits in memory.
    """
    dtype, peak = keras.config.dtype_policy().compute_dtype, 0.0
    for size in SIZES:
        if peak and 2 * size**3 / peak > LONGEST_SECONDS:
            break
        try:
            peak = max(peak, 2 * size**3 / _product_seconds(size, dtype, clock))
        except Exception as error:
            if not current_backend().is_out_of_memory(f"{type(error).__name__}: {error}"):
                raise
            break
    return peak


def _product_seconds(size: int, dtype: str, clock: Callable[[], float]) -> float:
    """The seconds of the fastest of REPEATS products, after one that warms up."""
    a, b = (keras.random.normal((size, size), dtype=dtype, seed=seed) for seed in (0, 1))
    seconds = []
    for _ in range(1 + REPEATS):
        current_backend().synchronize()
        started = clock()
        product = keras.ops.matmul(a, b)
        current_backend().synchronize()
        seconds.append(clock() - started)
        del product
    return min(seconds[1:])
