"""Faults that make a backend compute something else: which attribute each one replaces, and with what."""

import keras
from keras import ops

from vitbench.data.batches import Batches
from vitbench.models import registry, vit
from vitbench.models.vit import PatchEncoder, Patches
from vitbench.parity import comparison
from vitbench.parity.quantities import make_deterministic
from vitbench.training import optimizers
from vitbench.training.optimizers import keras_weight_decay

build_vit = vit.build
load_weights = keras.Model.load_weights
get_batch = Batches.__getitem__
cut_patches = Patches.call


def tanh_gelu(x):
    return keras.activations.gelu(x, approximate=True)


def build_with_another_epsilon(parameters, classes):
    return build_vit(parameters.model_copy(update={"epsilon": 1e-3}), classes)


def cut_patches_in_column_order(layer, images):
    patches = cut_patches(layer, images)
    _, n, width = patches.shape
    side = round(n**0.5)
    grid = ops.reshape(patches, (-1, side, side, width))
    return ops.reshape(ops.transpose(grid, (0, 2, 1, 3)), (-1, n, width))


def encode_with_shifted_positions(layer, patches):
    positions = ops.roll(ops.arange(layer.num_patches), 1)[None]
    return layer.projection(patches) + layer.position_embedding(positions)


def load_with_a_transposed_kernel(model, *arguments):
    load_weights(model, *arguments)
    kernel = next(weight for weight in model.weights if weight.path == "block0_attention/query/kernel")
    kernel.assign(ops.convert_to_numpy(kernel).transpose(2, 1, 0).copy())


class SoftmaxBeforeTheLoss(keras.losses.SparseCategoricalCrossentropy):
    def call(self, labels, logits):
        return super().call(labels, ops.exp(ops.log_softmax(logits)))  # written so that Keras does not undo it


def double_weight_decay(optimizer):
    return 2 * keras_weight_decay(optimizer)


def make_deterministic_except_one_dropout(parts):
    parts = make_deterministic(parts)
    parts.classifier.get_layer("block1_mlp_dropout0").rate = 0.1
    return parts


def get_batch_with_two_swapped(batches, step):
    return get_batch(batches, {5: 6, 6: 5}.get(step, step))


FAULTS: dict[str, tuple[object, str, object]] = {
    "tanh GELU": (vit, "exact_gelu", tanh_gelu),
    "epsilon 1e-3": (registry, "BUILDERS", {"vit": build_with_another_epsilon}),
    "patches in column order": (Patches, "call", cut_patches_in_column_order),
    "positions shifted by one": (PatchEncoder, "call", encode_with_shifted_positions),
    "one transposed kernel": (keras.Model, "load_weights", load_with_a_transposed_kernel),
    "softmax before the loss": (keras.losses, "SparseCategoricalCrossentropy", SoftmaxBeforeTheLoss),
    "weight decay applied twice": (optimizers, "keras_weight_decay", double_weight_decay),
    "a dropout left on": (comparison, "make_deterministic", make_deterministic_except_one_dropout),
    "one batch swapped": (Batches, "__getitem__", get_batch_with_two_swapped),
}
