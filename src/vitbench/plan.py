"""How the steps of a model are executed: what `tune` chooses, and what the example does."""

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Plan:
    """How the steps of a model are executed. The defaults are the example's.

    jit_compile: what Keras is told. "auto" leaves the choice to Keras, which runs un-jitted when a layer says that it
        does not support jit; True overrules such layers.
    augmentation: in the model by Keras' own "layers"; there with our "sampler" in place of theirs; or "outside", by
        NumPy, when a batch is drawn.
    feeding: of "batches" that NumPy draws; of "arrays" that tf.data draws them from, on TensorFlow; or of batches that
        are drawn on the "device", which holds all images, elsewhere.
    steps_per_execution: what Keras is told; steps that it takes without looking up.
    """

    jit_compile: bool | Literal["auto"]
    augmentation: Literal["layers", "sampler", "outside"] = "layers"
    feeding: Literal["batches", "arrays", "device"] = "batches"
    steps_per_execution: int = 1

    def as_dict(self) -> dict:
        return asdict(self)


PUBLISHED = Plan(jit_compile="auto")
