"""sample: a few real steps of one contestant, from which the step estimate works out the whole experiment."""

import time

from vitbench import execution, models, optimization, timing
from vitbench.config import SCHEMA_VERSION, Config
from vitbench.environment import peak_host_memory_bytes
from vitbench.feeding import Batches, in_even_batches
from vitbench.results import Results, read_json, write_json
from vitbench.splits import split
from vitbench.times import process_times

STEPS = 2  # at least, in a block
BLOCK_SECONDS = 1.0


def run(config: Config, results: Results, model: str, backend: str, import_seconds: float) -> None:
    """Times `model` as this backend is likely to run it best, training and inference, from weights of its own."""
    began = time.perf_counter()
    parts = models.build(model, config.models.parameters()[model], read_json(results.manifest))
    data = split(results, config.dataset.validation_fraction)
    images, labels = data["train"]
    optimizer = optimization.build(config.training, config.epochs_of(model), len(images))
    plan = execution.candidates(backend, config.models.augmented(model))[0]
    network = execution.assemble(parts, plan, optimizer)
    build_seconds = time.perf_counter() - began
    training = Batches(images, labels, config.training.batch_size, seed=0, steps=STEPS)
    first_step_seconds = timing.first_step(network, training)
    warm = timing.warm_up(network, training, limit_seconds=BLOCK_SECONDS)
    trained = timing.train_blocks(network, timing.lasting(training, warm.step_seconds, BLOCK_SECONDS), blocks=1)
    evaluation = in_even_batches(*data["validation"], most=config.training.batch_size)
    first_inference_seconds = timing.first_inference(network, evaluation)
    _, _, inferred, _ = timing.infer(network, evaluation, 1, BLOCK_SECONDS, blocks=1, at_least=BLOCK_SECONDS)
    content = {
        "schema_version": SCHEMA_VERSION,
        **{"experiment": config.experiment, "model": model, "backend": backend},
        "settings": config.relevant("sample", model),
        "batch_size": config.training.batch_size,
        "cold_seconds": import_seconds + build_seconds + first_step_seconds + first_inference_seconds,
        "first_step_seconds": first_step_seconds,
        "step_seconds": timing.step_seconds(trained),
        "inference_images_per_second": timing.images_per_second(inferred),
        **{"train_images": len(images), "validation_images": len(data["validation"][0])},
        "test_images": len(data["test"][0]),
        "peak_host_memory_bytes": peak_host_memory_bytes(),
        "peak_device_memory_bytes": execution.peak_device_memory_bytes(),
        "device": execution.device(),
        **process_times(),
    }
    write_json(results.sample(model, backend), content)
