"""Faults that make a backend compute something else: where in the product each is planted, and what is put there."""

import keras
from keras import ops

from vitbench.data.batches import Batches
from vitbench.models import registry, vit
from vitbench.models.vit import PatchEncoder, Patches
from vitbench.parity import comparison
from vitbench.parity.quantities import make_deterministic
from vitbench.training import optimizers
from vitbench.training.optimizers import keras_weight_decay

BUILD, ITEM, PATCHES = vit.build, Batches.__getitem__, Patches.call
LOAD = keras.Model.load_weights
DECAY, LOSS = keras_weight_decay, keras.losses.SparseCategoricalCrossentropy


def tanh_gelu(x):
    return keras.activations.gelu(x, approximate=True)


def build_with_another_epsilon(parameters, classes):
    return BUILD(parameters.model_copy(update={"epsilon": 1e-3}), classes)


def patches_in_column_order(layer, images):
    patches = PATCHES(layer, images)
    _, n, width = patches.shape
    grid = ops.reshape(patches, (-1, round(n**0.5), round(n**0.5), width))
    return ops.reshape(ops.transpose(grid, (0, 2, 1, 3)), (-1, n, width))


def positions_shifted(layer, patches):
    positions = ops.roll(ops.arange(layer.num_patches), 1)[None]
    return layer.projection(patches) + layer.position_embedding(positions)


def load_with_a_transposed_kernel(model, *arguments):
    LOAD(model, *arguments)
    kernel = next(w for w in model.weights if w.path == "block0_attention/query/kernel")
    kernel.assign(ops.convert_to_numpy(kernel).transpose(2, 1, 0).copy())


class SoftmaxBeforeTheLoss(LOSS):
    def call(self, labels, logits):
        return super().call(labels, ops.exp(ops.log_softmax(logits)))  # which Keras does not see through


def decay_twice(optimizer):
    return 2 * DECAY(optimizer)


def make_deterministic_except_one_dropout(parts):
    parts = make_deterministic(parts)
    parts.classifier.get_layer("block1_mlp_dropout0").rate = 0.1
    return parts


def with_two_batches_swapped(batches, step):
    return ITEM(batches, {5: 6, 6: 5}.get(step, step))


PLANTED: dict[str, tuple[object, str, object]] = {
    "tanh GELU": (vit, "exact_gelu", tanh_gelu),
    "epsilon 1e-3": (registry, "BUILDERS", {"vit": build_with_another_epsilon}),
    "patches in column order": (Patches, "call", patches_in_column_order),
    "positions shifted by one": (PatchEncoder, "call", positions_shifted),
    "one transposed kernel": (keras.Model, "load_weights", load_with_a_transposed_kernel),
    "softmax before the loss": (keras.losses, "SparseCategoricalCrossentropy", SoftmaxBeforeTheLoss),
    "weight decay applied twice": (optimizers, "keras_weight_decay", decay_twice),
    "a dropout left on": (comparison, "make_deterministic", make_deterministic_except_one_dropout),
    "one batch swapped": (Batches, "__getitem__", with_two_batches_swapped),
}
