"""Which images make up which batch. Seed and epoch alone decide it, so it is the same on every backend."""

import copy

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Batches of (images, labels), in an order that is decided by the seed and the epoch.

    images: uint8 (n, H, W, 3). labels: int32 (n,).
    seed: decides the order of each epoch; None keeps the order of the arrays.
    steps: None makes an epoch one pass, whose last batch may be smaller. A number makes an epoch exactly that many full
        batches, which start again from the first image as often as necessary.

    The epoch is the argument of the last call of `begin_epoch`, at first 0. It is not counted here, because Keras calls
    on_epoch_end once more than there are epochs.
    """

    def __init__(self, images, labels, batch_size: int, seed: int | None = None, steps: int | None = None):
        super().__init__(workers=1, use_multiprocessing=False)
        self.images, self.labels = images, labels
        self.batch_size, self.seed, self.steps = batch_size, seed, steps
        self.begin_epoch(0)

    def __len__(self) -> int:
        return self.steps or -(-len(self.images) // self.batch_size)

    def __getitem__(self, step: int):
        indices = self._indices(step)
        return np.asarray(self.images[indices]), np.asarray(self.labels[indices])  # copies, no longer memory-mapped

    def _indices(self, step: int) -> np.ndarray:
        """The indices of the images in a batch, in order."""
        start, stop = step * self.batch_size, (step + 1) * self.batch_size
        return np.take(self._order, range(start, stop), mode="wrap") if self.steps else self._order[start:stop]

    def fit_input(self):
        """What `keras.Model.fit` takes as its first argument."""
        return self

    def with_steps(self, steps: int, batch_size: int | None = None) -> "Batches":
        """The same images in epochs of exactly `steps` full batches."""
        other = copy.copy(self)
        other.steps, other.batch_size = steps, batch_size or self.batch_size
        return other

    def begin_epoch(self, epoch: int) -> None:
        """Puts the images into the order of `epoch`."""
        self.epoch = epoch
        self._order = shuffle_order(len(self.images), self.seed, epoch)


class EpochOrder(keras.callbacks.Callback):
    """Puts `batches` into the order of each epoch when `fit` begins it."""

    def __init__(self, batches: Batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.begin_epoch(epoch)


def even_batches(images, labels, max_batch_size: int) -> Batches:
    """One pass in order, for evaluation, in the fewest batches of at most `max_batch_size` images, of even size.

    All batches have one size if it divides the number of images, so that a compiler sees one shape.
    """
    batches = -(-len(images) // max_batch_size)
    return Batches(images, labels, batch_size=-(-len(images) // batches))


def shuffle_order(n: int, seed: int | None, epoch: int) -> np.ndarray:
    """int64 (n,): the order of `n` images in `epoch`. It depends on the arguments alone."""
    return np.arange(n) if seed is None else np.random.default_rng([seed, epoch]).permutation(n)
