"""The device that a process computes on: what it is, when it has finished, how much of its memory was used."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


_OUT_OF_MEMORY = (
    *("memoryerror", "unable to allocate", "std::bad_alloc"),  # Python, NumPy, C++
    *("resource_exhausted", "resourceexhaustederror", "dst tensor is not initialized"),  # XLA, TensorFlow
    *("outofmemoryerror", "defaultcpuallocator: "),  # torch
    *("out of memory", "out_of_memory", "status_alloc_failed"),  # CUDA, cuBLAS, cuDNN
)


def synchronize() -> None:
    """Returns when the device has finished all that was asked of it."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        # While fit runs, Keras keeps the state beside the model, in a container that JAX does not look into; so wait
        # for every array there is.
        jax.block_until_ready(jax.live_arrays())
    elif backend == "torch":
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
    else:
        import tensorflow as tf

        tf.test.experimental.sync_devices()


def take_memory_as_needed() -> None:
    """Keeps TensorFlow from taking a whole GPU. To be called before it has used one."""
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def device() -> dict:
    """The device that this process computes on: type (cpu or gpu) and, for a GPU, its name."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        first = jax.devices()[0]
        return {"type": "cpu", "name": None} if first.platform == "cpu" else {"type": "gpu", "name": first.device_kind}
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            return {"type": "gpu", "name": torch.cuda.get_device_name()}
        return {"type": "cpu", "name": None}
    import tensorflow as tf

    if gpus := tf.config.list_physical_devices("GPU"):
        return {"type": "gpu", "name": tf.config.experimental.get_device_details(gpus[0]).get("device_name")}
    return {"type": "cpu", "name": None}


def has_tf32() -> bool:
    """Whether the device is an NVIDIA GPU that knows TF32: of compute capability 8.0, Ampere's, or later."""
    import keras

    backend = keras.backend.backend()
    if device()["type"] == "cpu":
        return False
    if backend == "jax":
        import jax

        major, _, _ = str(getattr(jax.devices()[0], "compute_capability", "")).partition(".")  # an AMD's is a name
        return major.isdigit() and int(major) >= 8
    if backend == "torch":
        import torch

        return torch.version.cuda is not None and torch.cuda.get_device_capability() >= (8, 0)
    import tensorflow as tf

    gpu = tf.config.list_physical_devices("GPU")[0]
    return tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) >= (8, 0)


def placement(model: "keras.Model") -> str:
    """Where the weights of `model` lie: cpu, gpu, or both, comma-separated."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        found = {place.platform for variable in model.trainable_variables for place in variable.value.devices()}
    elif backend == "torch":
        found = {variable.value.device.type for variable in model.trainable_variables}
    else:
        found = {variable.value.device.rsplit(":", 2)[-2].lower() for variable in model.trainable_variables}
    return ", ".join(sorted({"cpu" if name == "cpu" else "gpu" for name in found}))


def peak_device_memory_bytes() -> int | None:
    """The allocator's peak on the GPU, bytes; None on a CPU."""
    import keras

    if device()["type"] == "cpu":
        return None
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    if backend == "torch":
        import torch

        return torch.cuda.max_memory_allocated()
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def out_of_memory(error: str) -> bool:
    """Whether `error`, an exception's type and message, says that memory ran out, in the words of any backend."""
    return any(words in error.lower() for words in _OUT_OF_MEMORY)


def out_of_host_memory(error: BaseException) -> bool:
    """Whether it was the machine's own memory that ran out; with more the same may do."""
    said = f"{type(error).__name__}: {error}"
    of_host = isinstance(error, MemoryError) or any(
        words in said for words in ("std::bad_alloc", "DefaultCPUAllocator")
    )
    return of_host or (out_of_memory(said) and device()["type"] == "cpu")
