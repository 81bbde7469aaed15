"""TensorFlow, whose steps are traced as graphs and may be compiled by XLA."""

from collections.abc import Callable
from typing import Any

from vitbench.backends.base import STEP_FUNCTIONS, Backend, join_device_types
from vitbench.backends.plan import Plan


class TensorflowBackend(Backend):
    name = keras_name = package = "tensorflow"
    distributions = ("tensorflow", "tensorflow-cpu", "tensorflow_cpu")
    colour, marker = "#009e73", "^"
    has_native_vit = True
    memory_errors = ("resource_exhausted", "resourceexhaustederror", "dst tensor is not initialized")

    def set_threads(self, threads: int) -> None:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)

    def threads(self) -> int:
        import tensorflow as tf

        return tf.config.threading.get_intra_op_parallelism_threads() or super().threads()

    def configure(self) -> None:
        """Keeps TensorFlow from reserving all memory of the GPU."""
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)

    def set_precision(self, precision: str) -> None:
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")

    def set_seed(self, seed: int) -> None:
        import keras

        keras.utils.set_random_seed(seed)

    def synchronize(self) -> None:
        import tensorflow as tf

        tf.test.experimental.sync_devices()

    def device(self) -> dict[str, str | None]:
        import tensorflow as tf

        if gpus := tf.config.list_physical_devices("GPU"):
            return {"type": "gpu", "name": tf.config.experimental.get_device_details(gpus[0]).get("device_name")}
        return {"type": "cpu", "name": None}

    def placement(self, model) -> str:
        types = {variable.value.device.rsplit(":", 2)[-2].lower() for variable in model.trainable_variables}
        return join_device_types(types)

    def supports_tf32(self) -> bool:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
        return details.get("compute_capability", (0, 0)) >= (8, 0)

    def _allocator_peak_bytes(self) -> int | None:
        import tensorflow as tf

        return tf.config.experimental.get_memory_info("GPU:0")["peak"]

    def watch_model(self, model) -> None:
        """Counts how often TensorFlow traces a step of `model`.

        XLA then compiles a traced step once per batch shape, which cannot be observed from here.
        """
        import tensorflow as tf

        def watch(name: str, step: Callable) -> Callable:
            def traced_step(data):
                if tf.inside_function():
                    self._compiled_names.append(name)
                return step(data)

            return traced_step

        for name in STEP_FUNCTIONS.values():
            setattr(model, name, watch(name, getattr(model, name)))

    def allows_tf32(self) -> bool:
        import tensorflow as tf

        return tf.config.experimental.tensor_float_32_execution_enabled()

    def matmul_precision(self) -> str:
        return "tensorfloat32" if self.allows_tf32() else "float32"

    def candidate_plans(self, augmented: bool, on_gpu: bool) -> list[Plan]:
        compiled, plain = Plan(jit_compile=True), Plan(jit_compile=False)
        if not augmented:
            return [plain, compiled]
        return [plain, Plan(jit_compile=False, augmentation="sampler"), Plan(jit_compile=True, augmentation="sampler")]

    def plan_variations(self, augmented: bool) -> list[dict[str, Any]]:
        """Keras feeds TensorFlow from the host in any case, so images on the device would not help."""
        outside = [{"augmentation": "outside", "input_pipeline": "batches"}] if augmented else []
        return [{"input_pipeline": "arrays"}, {"steps_per_execution": 8}, *outside]

    def repeat_batch(self, images, labels, steps: int) -> Any:
        import tensorflow as tf

        def with_any_batch_size(*tensors):  # the signature of other batches; a fixed size would be traced again
            return tuple(tf.compat.v1.placeholder_with_default(x, [None, *x.shape[1:]]) for x in tensors)

        return tf.data.Dataset.from_tensors((images, labels)).map(with_any_batch_size).cache().repeat(steps)
