"""What this device can reach in this process: the fastest product of two square matrices."""

import time

import keras

from vitbench.backends.process import current_backend

SIZES = (1024, 2048, 4096, 8192, 16384)
REPEATS = 3
LONGEST_SECONDS = 0.1  # of one product; a size that would take longer is not tried


def measure_peak_flops(clock=time.perf_counter) -> float:
    """The largest 2n³ ÷ seconds of an n × n product, in the precision that this process computes in.

    Larger matrices are tried as long as they are quick and there is memory for them.
    """
    dtype, fastest = keras.config.dtype_policy().compute_dtype, 0.0
    for size in SIZES:
        if fastest and 2 * size**3 / fastest > LONGEST_SECONDS:
            break
        try:
            fastest = max(fastest, 2 * size**3 / _seconds(size, dtype, clock))
        except Exception as error:
            if not current_backend().is_out_of_memory(f"{type(error).__name__}: {error}"):
                raise
            break
    return fastest


def _seconds(size: int, dtype: str, clock) -> float:
    """The least of a few, the first left out."""
    a, b = (keras.random.normal((size, size), dtype=dtype, seed=seed) for seed in (0, 1))
    taken = []
    for _ in range(1 + REPEATS):
        current_backend().synchronize()
        began = clock()
        product = keras.ops.matmul(a, b)
        current_backend().synchronize()
        taken.append(clock() - began)
        del product
    return min(taken[1:])
