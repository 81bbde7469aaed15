import inspect

import keras

from vitbench.feeding import Epochs
from vitbench.steps.train import Record
from vitbench.timing import BlockClock


def test_no_callback_of_a_timed_fit_looks_at_batches():
    """Keras synchronises the device after each step for a callback that overrides a per-batch method."""
    per_batch = [name for name, _ in inspect.getmembers(keras.callbacks.Callback) if "batch" in name]
    assert "on_train_batch_end" in per_batch and "on_test_batch_end" in per_batch
    for callback in (Record, Epochs, BlockClock):
        assert [n for n in per_batch if getattr(callback, n) is not getattr(keras.callbacks.Callback, n)] == []
