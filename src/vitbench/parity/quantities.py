"""Computes the quantities that parity compares.

Logits, losses, gradients and state are computed in deterministic mode. Augmented images are computed with random draws,
which vitbench.parity.augmentation reads from the result.
"""

from dataclasses import replace

import keras
import numpy as np

from vitbench.backends.plan import Plan
from vitbench.config.parity import Tolerances
from vitbench.config.training import Training
from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble
from vitbench.execution.input_pipeline import augment_images
from vitbench.execution.state import preserve_state
from vitbench.models.registry import ModelParts
from vitbench.parity.augmentation import coordinate_images
from vitbench.parity.tolerance import Quantities, compare_quantities
from vitbench.training.optimizers import build_optimizer

# The first steps of AdamW move each weight by the learning rate, with the sign of its gradient. If the gradient is zero
# up to rounding, that sign is random. At this small learning rate it does not affect the losses: those of a ResNet
# differ by less than 1e-4 after 20 steps, but by a quarter at 1e-3. The decay takes a thousandth off each weight per
# step, which makes a wrong decay visible.
OPTIMIZER = {"name": "adamw", "learning_rate": 1e-7, "weight_decay": 1e4}
FLOAT32_SPACING = 2.0**-23  # relative distance of neighbouring float32 numbers


def make_deterministic(parts: ModelParts) -> ModelParts:
    """Turns off every dropout, noise and augmentation in `parts`, which is changed and returned.

    The layers stay in the model, so that Keras makes the same decisions about compilation as in training. Do not use
    the parts for anything else afterwards.
    """
    for layer in (*parts.augmentation, *parts.classifier._flatten_layers()):
        if type(layer).__name__.startswith("Random"):
            layer.call = _return_images
        for strength in ("rate", "stddev"):  # of dropout and of noise
            if isinstance(getattr(layer, strength, None), float | int):
                setattr(layer, strength, 0.0)
    return parts


def _return_images(images, training=None):
    return images


def collect_quantities(parts: ModelParts, plan: Plan, batches: Batches) -> Quantities:
    """The quantities of deterministic `parts`, executed as `plan` says; float32 unless stated otherwise.

    logits (batch, classes): of the first batch, in inference mode.
    losses float64 (steps,): of each batch in training mode, before an AdamW step on that batch.
    loss float64 (1,): the first of `losses`.
    gradient/<path of the weight>: the gradient of `loss`.
    state/<path of the variable>: untrained state, such as moving averages, after the first step.
    rounding float64 (1,): the largest relative change of a gradient if the weights are rounded once more.
    """
    training = Training.model_validate({"epochs": 1, "batch_size": batches.batch_size, "optimizer": OPTIMIZER})
    model = assemble(parts, plan, build_optimizer(training, 1, len(batches) * batches.batch_size))
    logits = np.asarray(model.predict_on_batch(batches[0][0]), np.float32)
    recorder = GradientRecorder(model)
    with preserve_state(model):
        _perturb_by_rounding(model)
        model.train_on_batch(*batches[0])
        perturbed = recorder.gradients()
    losses = []
    for step in range(len(batches)):
        model.reset_metrics()  # otherwise the loss would be the mean over the steps so far
        losses.append(float(model.train_on_batch(*batches[step], return_dict=True)["loss"]))
        if step == 0:
            gradients, state = recorder.gradients(), _copy_state(model)
    changes = [row["max_rel_difference"] for row in compare_quantities(perturbed, gradients, Tolerances())]
    return {
        "logits": logits,
        "loss": np.array(losses[:1]),
        "losses": np.array(losses),
        **gradients,
        **state,
        "rounding": np.array([max(changes)]),
    }


class GradientRecorder:
    """Makes the optimiser of a model record the gradients of its last step."""

    def __init__(self, model: keras.Model):
        optimizer, self.weights = model.optimizer, model.trainable_variables
        optimizer.build(self.weights)
        self.slots = [optimizer.add_variable_from_reference(weight, name="gradient") for weight in self.weights]
        apply = optimizer.apply

        def apply_and_record(gradients, trainable_variables=None):
            for slot, gradient in zip(self.slots, gradients, strict=True):
                slot.assign(gradient)
            return apply(gradients, trainable_variables)

        optimizer.apply = apply_and_record

    def gradients(self) -> Quantities:
        """The recorded gradients, as gradient/<path of the weight>."""
        pairs = zip(self.weights, self.slots, strict=True)
        return {f"gradient/{weight.path}": np.array(keras.ops.convert_to_numpy(slot)) for weight, slot in pairs}


def _perturb_by_rounding(model: keras.Model) -> None:
    """Changes every weight by about as much as rounding it to float32 would."""
    random = np.random.default_rng(0)
    for weight in model.trainable_variables:
        value = keras.ops.convert_to_numpy(weight)
        weight.assign((value * (1 + FLOAT32_SPACING * random.uniform(-1, 1, value.shape))).astype(np.float32))


def _copy_state(model: keras.Model) -> Quantities:
    variables = [variable for variable in model.non_trainable_variables if "float" in str(variable.dtype)]
    return {f"state/{variable.path}": np.array(keras.ops.convert_to_numpy(variable)) for variable in variables}


def run_augmentation(parts: ModelParts, plan: Plan, pixels: np.ndarray) -> np.ndarray:
    """float32 (n, size, size, 3): the coordinate images of `pixels` (n, size, size), augmented in a training step.

    See vitbench.parity.augmentation. The step runs as `plan` says, with a trivial classifier that records its input.
    """
    if plan.augmentation == "outside":
        return augment_images(coordinate_images(pixels), parts, np.random.default_rng(0))
    images = keras.Input((*pixels.shape[1:], 3), batch_size=len(pixels))
    recorder = ImageRecorder()
    logits = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(recorder(images)))
    classifier = keras.Model(images, logits, name="image_recorder")
    recording = replace(parts, input_shape=(*pixels.shape[1:], 3), preprocessing=[], classifier=classifier)
    model = assemble(recording, plan, keras.optimizers.AdamW())
    model.train_on_batch(coordinate_images(pixels), np.zeros(len(pixels), np.int32))
    return keras.ops.convert_to_numpy(recorder.images)


class ImageRecorder(keras.layers.Layer):
    """Passes images through and records the last batch."""

    def build(self, shape):
        self.images = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="images")

    def call(self, images):
        self.images.assign(images)
        return images

    def compute_output_shape(self, shape):
        return shape
