"""How much of a training step the input pipeline takes: python benchmarks/input_pipeline.py [full|demo] [batch size]

Measures seconds per step on each backend, in a process of its own, for the ViT and for a model that computes next to
nothing (one weight per channel and class), with the same batches. The step of the small model consists of the input
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
NEXT_TO_NOTHING_STEPS = 200


def measure(backend: str, config: Config, batch_size: int, steps: int) -> dict:
    """Seconds per step by model and kind of input, one value per repetition."""
    from vitbench.backends.process import current_backend, start_backend
    from vitbench.execution.assemble import assemble

    start_backend(backend, "float32", config.accelerator, allow_cpu=True)
    import keras
    import numpy as np

    from vitbench.data.batches import Batches
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
    nothing = keras.Model(pixels, keras.layers.Dense(100)(keras.layers.GlobalAveragePooling2D()(pixels)))
    nothing.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True), jit_compile=plan.jit_compile)

    def in_batches(n):
        return Batches(images, labels, batch_size, seed=0, steps=n)

    times = {"vit": [], "nothing": [], "nothing, arrays": []}
    time_first_step(vit, in_batches(1))
    time_first_step(nothing, in_batches(1))
    n = NEXT_TO_NOTHING_STEPS
    whole = images[: n * batch_size], labels[: n * batch_size]
    for repetition in range(REPETITIONS + 1):
        clocks = {name: BlockClock() for name in times}
        vit.fit(in_batches(steps), verbose=0, shuffle=False, callbacks=[clocks["vit"]])
        nothing.fit(in_batches(n), verbose=0, shuffle=False, callbacks=[clocks["nothing"]])
        nothing.fit(*whole, batch_size=batch_size, verbose=0, shuffle=True, callbacks=[clocks["nothing, arrays"]])
        if repetition:  # the first one warms up
            for name, clock in clocks.items():
                taken = steps if name == "vit" else len(whole[0]) / batch_size if "arrays" in name else n
                times[name].append(clock.seconds[0] / taken)
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
        vit, nothing, arrays = (1000 * statistics.median(seconds) for seconds in outcome.values())
        print(f"{backend:12}{vit:10.1f}{nothing:18.2f}{nothing / vit:9.2%}{arrays:15.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
