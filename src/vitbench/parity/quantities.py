"""What is compared between backends: an execution's logits, loss, gradients and losses, with nothing left to chance.

And what its augmentation makes of an image, which is chance, so that what was drawn is read from the result.
"""

import keras
import numpy as np

from vitbench.backends.plan import Plan
from vitbench.config.schema import Tolerances
from vitbench.config.training import Training
from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble
from vitbench.execution.input_pipeline import augment_images
from vitbench.execution.state import preserve_state
from vitbench.models.registry import ModelParts
from vitbench.parity.augmentation import coordinate_images
from vitbench.parity.tolerance import Quantities, compare_quantities
from vitbench.training.optimizers import build_optimizer

# AdamW's first steps move each weight by the learning rate in the direction of its gradient's sign, and where that is
# zero but for rounding, the sign is chance. At this rate the losses do not feel it: a ResNet's differ by less than 1e-4
# after 20 steps, and at 1e-3 by a quarter. The decay takes a thousandth off each weight per step, so that a wrong one
# shows.
OPTIMIZER = {"name": "adamw", "learning_rate": 1e-7, "weight_decay": 1e4}
ROUNDING = 2.0**-23  # the distance of two float32 numbers, relative to them


def make_deterministic(parts: ModelParts) -> ModelParts:
    """`parts` with every dropout and augmentation turned off, those of a user's own model among them.

    The layers stay where they are, so that Keras takes the same decisions about them as in training. They are changed,
    so build others for anything else.
    """
    for layer in (*parts.augmentation, *parts.classifier._flatten_layers()):
        if type(layer).__name__.startswith("Random"):
            layer.call = _unchanged
        for strength in ("rate", "stddev"):  # of dropout and of noise
            if isinstance(getattr(layer, strength, None), float | int):
                setattr(layer, strength, 0.0)
    return parts


def _unchanged(images, training=None):
    return images


def collect_quantities(parts: ModelParts, plan: Plan, batches: Batches) -> Quantities:
    """What an execution of still `parts` computes, float32 unless said otherwise.

    logits (batch, classes): of the first batch, not in training mode. losses float64 (steps,): of each batch in turn,
    each taken before an AdamW step on it, in training mode. loss float64 (1,): the first of them.
    gradient/<weight's path>: its gradient.
    state/<variable's path>: what that first step made of state that is not trained, as of batch normalisation.
    rounding float64 (1,): the largest relative difference of a gradient that rounding of the weights makes.
    """
    training = Training.model_validate({"epochs": 1, "batch_size": batches.batch_size, "optimizer": OPTIMIZER})
    network = assemble(parts, plan, build_optimizer(training, 1, len(batches) * batches.batch_size))
    found = {"logits": np.asarray(network.predict_on_batch(batches[0][0]), np.float32)}
    kept = GradientRecorder(network)
    with preserve_state(network):
        _move_by_rounding(network)
        network.train_on_batch(*batches[0])
        moved = kept.gradients()
    losses = []
    for step in range(len(batches)):
        network.reset_metrics()  # else the loss would be the mean over the steps so far
        losses.append(float(network.train_on_batch(*batches[step], return_dict=True)["loss"]))
        if step == 0:
            gradients, state = kept.gradients(), _state(network)
    found |= {"loss": np.array(losses[:1]), "losses": np.array(losses)}
    changes = [row["max_rel_difference"] for row in compare_quantities(moved, gradients, Tolerances())]
    return found | gradients | state | {"rounding": np.array([max(changes)])}


class GradientRecorder:
    """Makes the optimiser of `network` keep the gradients of its last step."""

    def __init__(self, network: keras.Model):
        optimizer, self.weights = network.optimizer, network.trainable_variables
        optimizer.build(self.weights)
        self.slots = [optimizer.add_variable_from_reference(weight, name="gradient") for weight in self.weights]
        apply = optimizer.apply

        def apply_and_keep(gradients, trainable_variables=None):
            for slot, gradient in zip(self.slots, gradients, strict=True):
                slot.assign(gradient)
            return apply(gradients, trainable_variables)

        optimizer.apply = apply_and_keep

    def gradients(self) -> Quantities:
        pairs = zip(self.weights, self.slots, strict=True)
        return {f"gradient/{weight.path}": np.array(keras.ops.convert_to_numpy(slot)) for weight, slot in pairs}


def _move_by_rounding(network: keras.Model) -> None:
    """Changes every weight by about as much as it would change if it were rounded once more."""
    random = np.random.default_rng(0)
    for weight in network.trainable_variables:
        value = keras.ops.convert_to_numpy(weight)
        weight.assign((value * (1 + ROUNDING * random.uniform(-1, 1, value.shape))).astype(np.float32))


def _state(network: keras.Model) -> Quantities:
    variables = [v for v in network.non_trainable_variables if "float" in str(v.dtype)]
    return {f"state/{v.path}": np.array(keras.ops.convert_to_numpy(v)) for v in variables}


def run_augmentation(parts: ModelParts, plan: Plan, pixels: np.ndarray) -> np.ndarray:
    """float32 (n, size, size, 3): what a training step makes of the marked `pixels`, (n, size, size).

    See vitbench.augmentation. The step is executed like that of the whole model, which is left out.
    """
    if plan.augmentation == "outside":
        return augment_images(coordinate_images(pixels), parts, np.random.default_rng(0))
    images = keras.Input((*pixels.shape[1:], 3), batch_size=len(pixels))
    eye = ImageRecorder()
    logits = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(eye(images)))
    classifier = keras.Model(images, logits, name="watched")
    watched = ModelParts((*pixels.shape[1:], 3), [], parts.augmentation, classifier, parts.build_augmentation)
    network = assemble(watched, plan, keras.optimizers.SGD())
    network.train_on_batch(coordinate_images(pixels), np.zeros(len(pixels), np.int32))
    return keras.ops.convert_to_numpy(eye.seen)


class ImageRecorder(keras.layers.Layer):
    """Passes images on and keeps the last ones."""

    def build(self, shape):
        self.seen = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="seen")

    def call(self, images):
        self.seen.assign(images)
        return images

    def compute_output_shape(self, shape):
        return shape
