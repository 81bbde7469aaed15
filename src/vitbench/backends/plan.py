"""The plan: how the steps of a model are executed."""

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Plan:
    """How the steps of a model are executed. The defaults are those of the Keras example.

    jit_compile: the argument of `keras.Model.compile`. "auto" leaves the choice to Keras, which does not compile a
        model that has a layer without jit support; True compiles it all the same.
    augmentation: "layers", Keras layers in the model; "sampler", the same layers with a faster image sampler; or
        "outside", NumPy code that augments each batch before it reaches the model.
    input_pipeline: "batches", gathered by NumPy; "arrays", from which tf.data gathers the batches, on TensorFlow; or
        "device", where all images are on the device and batches are gathered there.
    steps_per_execution: the argument of `keras.Model.compile`.
    cuda_graph: whether each step is captured once and then launched as one CUDA graph. For PyTorch on a GPU.
    """

    jit_compile: bool | Literal["auto"]
    augmentation: Literal["layers", "sampler", "outside"] = "layers"
    input_pipeline: Literal["batches", "arrays", "device"] = "batches"
    steps_per_execution: int = 1
    cuda_graph: bool = False

    def as_dict(self) -> dict:
        return asdict(self)


PUBLISHED = Plan(jit_compile="auto")
