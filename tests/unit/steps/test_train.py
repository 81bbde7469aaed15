import inspect

import keras

from vitbench.data.batches import EpochOrder
from vitbench.measure.timing import BlockClock
from vitbench.training.callbacks import RunRecorder


def test_no_callback_of_a_timed_fit_looks_at_batches():
    """Keras synchronises the device after each step for a callback that overrides a per-batch method."""
    per_batch = [name for name, _ in inspect.getmembers(keras.callbacks.Callback) if "batch" in name]
    assert "on_train_batch_end" in per_batch and "on_test_batch_end" in per_batch
    for callback in (RunRecorder, EpochOrder, BlockClock):
        assert [n for n in per_batch if getattr(callback, n) is not getattr(keras.callbacks.Callback, n)] == []
