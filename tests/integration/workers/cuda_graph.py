"""Runs in the process of torch: what a capture as a CUDA graph leaves behind, and what the captured step computes."""

import gc

import keras
import numpy as np
import torch

from integration.workers.execution_audit import MANIFEST, TINY, make_batches
from vitbench.backends.cuda_graph import preserve_state
from vitbench.backends.plan import Plan
from vitbench.backends.process import current_backend
from vitbench.config.models import ViT
from vitbench.execution.assemble import assemble
from vitbench.models.registry import ModelParts
from vitbench.models.registry import build_model as build_vit
from vitbench.parity.quantities import collect_quantities, make_deterministic

PIXELS = 8
CLASSES = 3


def build_model(plan: Plan) -> keras.Model:
    """A small model with dropout and layer normalisation, compiled with AdamW as `plan` says."""
    keras.utils.set_random_seed(0)
    images = keras.Input((PIXELS, PIXELS, 3))
    x = keras.layers.LayerNormalization()(keras.layers.Dense(16)(keras.layers.Flatten()(images)))
    logits = keras.layers.Dense(CLASSES)(keras.layers.Dropout(0.5)(x))
    parts = ModelParts(
        input_shape=(PIXELS, PIXELS, 3),
        preprocessing=[keras.layers.Rescaling(1 / 255)],
        augmentation=[],
        build_augmentation=list,
        classifier=keras.Model(images, logits),
    )
    return assemble(parts, plan, keras.optimizers.AdamW(0.01))


def draw_batch(images: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(images)
    shape = (images, PIXELS, PIXELS, 3)
    return random.integers(0, 256, shape).astype(np.uint8), random.integers(0, CLASSES, images).astype(np.int32)


def read_state(model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Copies of everything that a step changes, by kind."""
    model.optimizer.build(model.trainable_variables)
    kinds = {"model": model.variables, "optimizer": model.optimizer.variables, "metrics": model.metrics_variables}
    state = {kind: [np.array(keras.ops.convert_to_numpy(v)) for v in variables] for kind, variables in kinds.items()}
    return state | {"random": current_backend().random_state()}


def undo_steps(steps_before: int) -> tuple[dict, dict]:
    """The state before and after a block of `preserve_state` in which two steps are trained."""
    model, batch = build_model(Plan(jit_compile=False)), draw_batch(4)
    for _ in range(steps_before):
        model.train_on_batch(*batch)
    before = read_state(model)
    with preserve_state(model):
        for _ in range(2):
            model.train_on_batch(*batch)
    return before, read_state(model)


def count_autograd_tensors() -> tuple[int, int]:
    """The tensors with an autograd graph after the gate computed its quantities: at once, and after `gc.collect`."""
    parts = make_deterministic(build_vit("vit", ViT.model_validate(TINY), MANIFEST))
    gc.collect()
    gc.disable()
    collect_quantities(parts, Plan(jit_compile=False), make_batches())
    at_once = _count_graphs()
    gc.collect()
    gc.enable()
    return at_once, _count_graphs()


def collect_plain_and_captured() -> list[dict[str, np.ndarray]]:
    """The quantities of the gate, by plain steps and then, of the same weights, by captured ones."""
    parts = make_deterministic(build_vit("vit", ViT.model_validate(TINY), MANIFEST))
    initial = parts.classifier.get_weights()
    quantities = []
    for cuda_graph in (False, True):
        parts.classifier.set_weights(initial)
        quantities.append(collect_quantities(parts, Plan(jit_compile=False, cuda_graph=cuda_graph), make_batches()))
    return quantities


def _count_graphs() -> int:
    return sum(isinstance(thing, torch.Tensor) and thing.grad_fn is not None for thing in gc.get_objects())


def train_and_predict(cuda_graph: bool, deterministic: bool) -> dict:
    """Losses of epochs with batches of two sizes, predictions of two batches, and the number of captured steps."""
    model = build_model(Plan(jit_compile=False, cuda_graph=cuda_graph))
    if deterministic:
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
    current_backend().set_seed(0)
    captured_before = len(current_backend().compiled_names())
    images, labels = draw_batch(10)
    history = model.fit(images, labels, batch_size=4, epochs=3, shuffle=False, verbose=0, validation_data=draw_batch(6))
    return {
        "losses": history.history,
        "predictions": model.predict(images, batch_size=5, verbose=0),
        "captured": len(current_backend().compiled_names()) - captured_before,
    }
