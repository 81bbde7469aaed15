"""Measures the share of the input pipeline in a step: python benchmarks/input_pipeline.py [full|demo] [batch size]

Times steps of the ViT and of a model that computes next to nothing (one weight per channel and class), with the same
batches, in one process per backend. The step of the small model consists of the input
pipeline and Keras' own loop, so its share of the ViT's step is an upper bound for the cost of the input pipeline. The
small model is also trained on whole arrays instead of `vitbench.data.batches.Batches`, which shows what drawing the
batches ourselves costs.
"""

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from vitbench.backends.registry import BACKENDS
from vitbench.config.loading import load_config
from vitbench.config.schema import Config
from vitbench.system.subprocesses import run_in_subprocess

REPETITIONS = 3
STEPS = {"full": 3, "demo": 60}
TRIVIAL_STEPS = 200


def measure(backend: str, config: Config, batch_size: int, steps: int) -> dict:
    """Seconds per step by model and kind of input, one value per repetition."""
    from vitbench.backends.process import current_backend, start_backend

    start_backend(backend, "float32", config.accelerator, allow_cpu=True)
    import keras
    import numpy as np

    from vitbench.data.batches import Batches
    from vitbench.execution.assemble import assemble
    from vitbench.measure.timing import BlockClock, time_first_step
    from vitbench.models.registry import build_model
    from vitbench.training.optimizers import build_optimizer

    images = np.random.default_rng(0).integers(0, 256, (50_000, 32, 32, 3), np.uint8)
    labels = np.random.default_rng(1).integers(0, 100, 50_000).astype(np.int32)
    normalization = {"mean": [120.0] * 3, "variance": [4000.0] * 3}
    manifest = {"image_shape": [32, 32, 3], "class_names": [""] * 100, "normalization": normalization}
    parts = build_model("vit", config.models.vit, manifest)
    plan = current_backend().candidate_plans(augmented=True)[0]
    vit = assemble(parts, plan, build_optimizer(config.training, 1, len(images)))

    pixels = keras.Input((32, 32, 3))
    trivial = keras.Model(pixels, keras.layers.Dense(100)(keras.layers.GlobalAveragePooling2D()(pixels)))
    trivial.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True), jit_compile=plan.jit_compile)

    def draw_batches(n):
        return Batches(images, labels, batch_size, seed=0, steps=n)

    times = {"vit": [], "trivial": [], "trivial, arrays": []}
    time_first_step(vit, draw_batches(1))
    time_first_step(trivial, draw_batches(1))
    n = TRIVIAL_STEPS
    whole = images[: n * batch_size], labels[: n * batch_size]
    timed_steps = {"vit": steps, "trivial": n, "trivial, arrays": len(whole[0]) / batch_size}
    for repetition in range(REPETITIONS + 1):
        clocks = {name: BlockClock() for name in times}
        vit.fit(draw_batches(steps), verbose=0, shuffle=False, callbacks=[clocks["vit"]])
        trivial.fit(draw_batches(n), verbose=0, shuffle=False, callbacks=[clocks["trivial"]])
        trivial.fit(*whole, batch_size=batch_size, verbose=0, shuffle=True, callbacks=[clocks["trivial, arrays"]])
        if repetition:  # the first one warms up
            for name, clock in clocks.items():
                times[name].append(clock.seconds[0] / timed_steps[name])
    return times


def main(size: str = "full", batch_size: str = "64") -> None:
    root = Path(__file__).parents[1]
    preset = [root / "workflow" / "presets" / "demo.yaml"] if size == "demo" else []
    config = load_config([root / "config.yaml", *preset])
    print(f"{size} size, batch {batch_size}: median over {REPETITIONS} repetitions, ms per step")
    print(f"{'backend':12}{'ViT':>10}{'pipeline, at most':>18}{'share':>9}{'whole arrays':>15}")
    for backend in BACKENDS:
        outcome = run_in_subprocess(measure, (backend, config, int(batch_size), STEPS[size]), float("inf"))
        if "error" in outcome:
            print(f"{backend:12}{outcome['error']}")
            continue
        vit, trivial, arrays = (1000 * statistics.median(seconds) for seconds in outcome.values())
        print(f"{backend:12}{vit:10.1f}{trivial:18.2f}{trivial / vit:9.2%}{arrays:15.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
