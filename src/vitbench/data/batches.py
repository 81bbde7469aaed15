"""Which images make up which batch: decided by seed and epoch alone, so the same on every backend."""

import copy

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Batches of (images, labels) in an order that a seed and the epoch decide.

    The epoch is the one that was last begun, at first 0. It is not counted here, since Keras calls on_epoch_end once
    more than there are epochs. images: uint8 (n, H, W, 3). labels: int32 (n,). `seed` None keeps the order. With
    `steps`, an epoch has exactly that many full batches, going round the images as often as it takes; otherwise it is
    one pass, the last batch smaller.
    """

    def __init__(self, images, labels, batch_size: int, seed: int | None = None, steps: int | None = None):
        super().__init__(workers=1, use_multiprocessing=False)
        self.images, self.labels = images, labels
        self.batch_size, self.seed, self.steps = batch_size, seed, steps
        self.begin(0)

    def __len__(self) -> int:
        return self.steps or -(-len(self.images) // self.batch_size)

    def __getitem__(self, step: int):
        chosen = self._chosen(step)
        return np.asarray(self.images[chosen]), np.asarray(self.labels[chosen])  # copies in memory, no longer mapped

    def _chosen(self, step: int) -> np.ndarray:
        """Which images make up the batch, in their order."""
        places = step * self.batch_size, (step + 1) * self.batch_size
        return np.take(self._order, range(*places), mode="wrap") if self.steps else self._order[slice(*places)]

    def fed(self):
        """What fit is given."""
        return self

    def resized(self, steps: int, batch_size: int | None = None) -> "Batches":
        """The same images in epochs of exactly `steps` full batches."""
        other = copy.copy(self)
        other.steps, other.batch_size = steps, batch_size or self.batch_size
        return other

    def begin(self, epoch: int) -> None:
        """Puts the images into the order of `epoch`; to be called when fit begins it."""
        self.epoch = epoch
        self._order = shuffle_order(len(self.images), self.seed, epoch)


class EpochOrder(keras.callbacks.Callback):
    """Begins each epoch of `batches` when fit begins it."""

    def __init__(self, batches: Batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.begin(epoch)


def even_batches(images, labels, most: int) -> Batches:
    """One pass in order, for evaluation, in as few batches of at most `most` images as there can be, as even as can be.

    Where the numbers allow it all batches have one size, so that a compiler sees one shape.
    """
    batches = -(-len(images) // most)
    return Batches(images, labels, batch_size=-(-len(images) // batches))


def shuffle_order(n: int, seed: int | None, epoch: int) -> np.ndarray:
    """int64 (n,): the order of `n` images in `epoch`, the same wherever it is drawn."""
    return np.arange(n) if seed is None else np.random.default_rng([seed, epoch]).permutation(n)
