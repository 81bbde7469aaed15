"""How the steps of a model are executed: what `tune` chooses, and what the example does."""

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Plan:
    """How the steps of a model are executed. The defaults are the example's.

    jit_compile: the argument of `keras.Model.compile`. "auto" leaves the choice to Keras, which does not compile a
        model with a layer that declares no jit support; True overrules such layers.
    augmentation: "layers" of Keras inside the model; "sampler", the same layers with a faster image sampler; or
        "outside", NumPy code that augments each batch when it is drawn.
    input_pipeline: "batches" drawn by NumPy; "arrays" from which tf.data draws, on TensorFlow; or "device", batches drawn on
        the device, which holds all images.
    steps_per_execution: the argument of `keras.Model.compile`.
    """

    jit_compile: bool | Literal["auto"]
    augmentation: Literal["layers", "sampler", "outside"] = "layers"
    input_pipeline: Literal["batches", "arrays", "device"] = "batches"
    steps_per_execution: int = 1

    def as_dict(self) -> dict:
        return asdict(self)


PUBLISHED = Plan(jit_compile="auto")
