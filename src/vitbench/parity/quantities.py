"""The quantities that parity compares: logits, loss, gradients, state and losses of an execution in deterministic mode.

And the images that its augmentation makes, which are random, so that the draws are read from the result.
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

# AdamW's first steps move each weight by the learning rate in the direction of its gradient's sign. Where the gradient
# is zero up to rounding, that sign is random. At this learning rate the losses do not depend on it: those of a ResNet
# differ by less than 1e-4 after 20 steps, against a quarter at 1e-3. The decay takes a thousandth off each weight per
# step, so that a wrong decay shows.
OPTIMIZER = {"name": "adamw", "learning_rate": 1e-7, "weight_decay": 1e4}
FLOAT32_SPACING = 2.0**-23  # of neighbouring float32 numbers, relative to them


def make_deterministic(parts: ModelParts) -> ModelParts:
    """Turns off every dropout, noise and augmentation in `parts`, which is changed and returned.

    The layers stay in place, so that Keras decides about compilation as in training. Build other parts for any other
    purpose.
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
    """The quantities of deterministic `parts` executed as `plan` says; float32 unless stated otherwise.

    logits (batch, classes): of the first batch, not in training mode.
    losses float64 (steps,): of each batch in turn, in training mode, each before an AdamW step on it.
    loss float64 (1,): the first of them.
    gradient/<path of the weight>: the gradient of that loss.
    state/<path of the variable>: state that is not trained, such as moving averages, after the first step.
    rounding float64 (1,): the largest relative change of a gradient when the weights are rounded.
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
    """Makes the optimiser of a model keep the gradients of its last step."""

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
        pairs = zip(self.weights, self.slots, strict=True)
        return {f"gradient/{weight.path}": np.array(keras.ops.convert_to_numpy(slot)) for weight, slot in pairs}


def _perturb_by_rounding(model: keras.Model) -> None:
    """Changes every weight by about as much as one more rounding would."""
    random = np.random.default_rng(0)
    for weight in model.trainable_variables:
        value = keras.ops.convert_to_numpy(weight)
        weight.assign((value * (1 + FLOAT32_SPACING * random.uniform(-1, 1, value.shape))).astype(np.float32))


def _copy_state(model: keras.Model) -> Quantities:
    variables = [variable for variable in model.non_trainable_variables if "float" in str(variable.dtype)]
    return {f"state/{variable.path}": np.array(keras.ops.convert_to_numpy(variable)) for variable in variables}


def run_augmentation(parts: ModelParts, plan: Plan, pixels: np.ndarray) -> np.ndarray:
    """float32 (n, size, size, 3): the coordinate images of `pixels` (n, size, size) after the augmentation of a step.

    See vitbench.parity.augmentation. The step is executed like one of the whole model, without the classifier.
    """
    if plan.augmentation == "outside":
        return augment_images(coordinate_images(pixels), parts, np.random.default_rng(0))
    images = keras.Input((*pixels.shape[1:], 3), batch_size=len(pixels))
    recorder = ImageRecorder()
    logits = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(recorder(images)))
    classifier = keras.Model(images, logits, name="image_recorder")
    recording = replace(parts, input_shape=(*pixels.shape[1:], 3), preprocessing=[], classifier=classifier)
    model = assemble(recording, plan, keras.optimizers.SGD())
    model.train_on_batch(coordinate_images(pixels), np.zeros(len(pixels), np.int32))
    return keras.ops.convert_to_numpy(recorder.images)


class ImageRecorder(keras.layers.Layer):
    """Passes images through and keeps the last ones."""

    def build(self, shape):
        self.images = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="images")

    def call(self, images):
        self.images.assign(images)
        return images

    def compute_output_shape(self, shape):
        return shape
