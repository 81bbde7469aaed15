"""Measures the overhead of vitbench: python benchmarks/bare_example.py [batch size] [steps] [backend …]

Runs the Keras example as a bare script and the execution mode published as the step train runs it. Both have the same
images, batch size and validation images. In one process per backend they take turns, each with a fit of one epoch.
Prints, for each backend, vitbench's seconds ÷ those of the bare script: the median over repetitions, the least and the
largest. The checkpoint, which vitbench writes at each epoch and the bare script does not, is timed separately and not
part of the ratio.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from vitbench.backends.registry import BACKENDS
from vitbench.config.loading import load_config
from vitbench.config.schema import Config
from vitbench.system.subprocesses import run_in_subprocess

REPETITIONS = 5
CLASSES, IMAGE_SIZE, PATCH_SIZE, WIDTH, HEADS, LAYERS = 100, 72, 6, 64, 4, 8
RATE, DECAY = 1e-3, 1e-4


def build_example(images):
    """The model as the example defines it: with augmentation inside, and jit_compile chosen by Keras."""
    import keras
    from keras import layers, ops

    class Patches(layers.Layer):
        def call(self, images):
            patches = ops.image.extract_patches(images, size=PATCH_SIZE)
            side = IMAGE_SIZE // PATCH_SIZE
            return ops.reshape(patches, (ops.shape(images)[0], side * side, PATCH_SIZE * PATCH_SIZE * 3))

    class PatchEncoder(layers.Layer):
        def __init__(self, patches):
            super().__init__()
            self.patches = patches
            self.projection = layers.Dense(WIDTH)
            self.position_embedding = layers.Embedding(patches, WIDTH)

        def call(self, patches):
            positions = ops.expand_dims(ops.arange(0, self.patches, 1), axis=0)
            return self.projection(patches) + self.position_embedding(positions)

    def mlp(x, widths, dropout):
        for width in widths:
            x = layers.Dropout(dropout)(layers.Dense(width, activation=keras.activations.gelu)(x))
        return x

    augmentation = keras.Sequential(
        [
            layers.Normalization(),
            layers.Resizing(IMAGE_SIZE, IMAGE_SIZE),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(factor=0.02),
            layers.RandomZoom(height_factor=0.2, width_factor=0.2),
        ]
    )
    augmentation.layers[0].adapt(images)
    inputs = keras.Input(images.shape[1:])
    encoded = PatchEncoder((IMAGE_SIZE // PATCH_SIZE) ** 2)(Patches()(augmentation(inputs)))
    for _ in range(LAYERS):
        x = layers.LayerNormalization(epsilon=1e-6)(encoded)
        attended = layers.MultiHeadAttention(num_heads=HEADS, key_dim=WIDTH, dropout=0.1)(x, x)
        skipped = layers.Add()([attended, encoded])
        x = mlp(layers.LayerNormalization(epsilon=1e-6)(skipped), [WIDTH * 2, WIDTH], 0.1)
        encoded = layers.Add()([x, skipped])
    x = layers.Dropout(0.5)(layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(encoded)))
    model = keras.Model(inputs, layers.Dense(CLASSES)(mlp(x, [2048, 1024], 0.5)))
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=RATE, weight_decay=DECAY),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            keras.metrics.SparseTopKCategoricalAccuracy(5, name="top-5-accuracy"),
        ],
    )
    return model


def measure(backend: str, config: Config, batch_size: int, steps: int) -> dict:
    """Seconds of the epoch in each repetition: of the bare script, of vitbench, and of vitbench's checkpoint."""
    from vitbench.backends.plan import PUBLISHED
    from vitbench.backends.process import current_backend, start_backend

    start_backend(backend, "float32", config.accelerator, allow_cpu=True)
    import keras
    import numpy as np

    from vitbench.data.batches import Batches, EpochOrder, even_batches
    from vitbench.execution.assemble import assemble
    from vitbench.models.registry import build_model
    from vitbench.system.logs import ProgressBar
    from vitbench.training.callbacks import RunRecorder
    from vitbench.training.checkpoint import Checkpoint
    from vitbench.training.history import RunHistory
    from vitbench.training.optimizers import build_optimizer

    random, held_out = np.random.default_rng(0), max(1, batch_size * steps // 9)
    n = batch_size * steps + held_out
    images = random.integers(0, 256, (n, 32, 32, 3), np.uint8)
    labels = random.integers(0, CLASSES, n).astype(np.int32)
    bare = build_example(images)

    normalization = {"mean": [127.5] * 3, "variance": [5400.0] * 3}
    manifest = {"image_shape": [32, 32, 3], "class_names": [""] * CLASSES, "normalization": normalization}
    parts = build_model("vit", config.models.vit, manifest)
    published = assemble(parts, PUBLISHED, build_optimizer(config.training, 1, n - held_out))

    times = {"bare": [], "vitbench": [], "checkpoint": []}

    class TimedCheckpoint(Checkpoint):
        def save(self, *arguments):
            started = time.perf_counter()
            super().save(*arguments)
            times["checkpoint"].append(time.perf_counter() - started)

    with tempfile.TemporaryDirectory() as folder:
        checkpoint = keras.callbacks.ModelCheckpoint(
            f"{folder}/example.weights.h5", monitor="val_accuracy", save_best_only=True, save_weights_only=True
        )

        def run_bare_epoch(_):
            options = {"batch_size": batch_size, "validation_split": held_out / n, "callbacks": [checkpoint]}
            bare.fit(images, labels, epochs=1, verbose=0, **options)

        def run_vitbench_epoch(repetition):
            batches = Batches(images[:-held_out], labels[:-held_out], batch_size, seed=repetition)
            history, bar = RunHistory.begin(None, 0.0, 0.0), ProgressBar("", 1, "epoch")
            recorder = RunRecorder(parts.classifier, TimedCheckpoint(Path(folder), {}), history, bar)
            validation = even_batches(images[-held_out:], labels[-held_out:], max_batch_size=batch_size)
            options = {"validation_data": validation, "callbacks": [EpochOrder(batches), recorder]}
            published.fit(batches.fit_input(), epochs=1, shuffle=False, verbose=0, **options)

        for repetition in range(REPETITIONS + 1):
            for name, run_epoch in (("bare", run_bare_epoch), ("vitbench", run_vitbench_epoch)):
                started = time.perf_counter()
                run_epoch(repetition)
                current_backend().synchronize()
                if repetition:  # the first one compiles
                    seconds = time.perf_counter() - started
                    times[name].append(seconds - (times["checkpoint"][-1] if name == "vitbench" else 0))
    return times


def main(batch_size: str = "64", steps: str = "4", *backends: str) -> None:
    config = load_config([Path(__file__).parents[1] / "config.yaml"])
    print(f"ViT at full size, batch {batch_size}, {steps} steps and validation, {REPETITIONS} repetitions")
    print(
        f"{'backend':12}{'bare, s':>10}{'vitbench, s':>13}{'ratio':>8}{'least':>8}{'largest':>9}{'checkpoint, s':>15}"
    )
    for backend in backends or BACKENDS:
        times = run_in_subprocess(measure, (backend, config, int(batch_size), int(steps)), float("inf"))
        if "error" in times:
            print(f"{backend:12}{times['error']}")
            continue
        ratios = [vitbench / bare for bare, vitbench in zip(times["bare"], times["vitbench"], strict=True)]
        bare, vitbench, checkpoint = (statistics.median(seconds) for seconds in times.values())
        figures = f"{statistics.median(ratios):8.3f}{min(ratios):8.3f}{max(ratios):9.3f}{checkpoint:15.2f}"
        print(f"{backend:12}{bare:10.2f}{vitbench:13.2f}{figures}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
