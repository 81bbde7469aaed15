"""sample: times a few real steps of a model on a backend, from which `estimate` predicts the cost of an experiment."""

import time

from vitbench.backends.process import current_backend
from vitbench.config.schema import Config
from vitbench.data.batches import Batches, even_batches
from vitbench.execution.assemble import assemble
from vitbench.execution.workload import load_workload
from vitbench.measure import timing
from vitbench.measure.timing import size_block, time_first_inference, time_first_step, time_inference, time_train_blocks
from vitbench.results.paths import Results
from vitbench.results.schema import SCHEMA_VERSION
from vitbench.system.environment import peak_host_memory_bytes
from vitbench.system.files import write_json
from vitbench.system.times import process_times
from vitbench.training.optimizers import build_optimizer

STEPS = 2  # in the warm-up's repetitions, and at least in a block
BLOCK_SECONDS = 1.0


def run(config: Config, results: Results, model: str, backend: str, startup: dict[str, float]) -> None:
    """Times training and inference of `model`, executed by the plan that is likely to be the fastest on `backend`.

    startup: the seconds that `start_backend` returned.
    """
    started = time.perf_counter()
    workload = load_workload(config, results, model, seed=None)  # before the step init there are no initial weights
    images, labels = workload.train
    batch_size = config.training.batch_size
    optimizer = build_optimizer(config.training, config.model_epochs(model), len(images))
    on_gpu = current_backend().device()["type"] == "gpu"
    plan = current_backend().candidate_plans(config.models.is_augmented(model), on_gpu)[0]
    network = assemble(workload.parts, plan, optimizer)
    build_seconds = time.perf_counter() - started
    training = Batches(images, labels, batch_size, seed=0, steps=STEPS)
    first_step_seconds = time_first_step(network, training)
    warm = timing.warm_up(network, training, limit_seconds=BLOCK_SECONDS)
    trained = time_train_blocks(network, size_block(training, warm.step_seconds, BLOCK_SECONDS), blocks=1)
    evaluation = even_batches(*workload.validation, max_batch_size=batch_size)
    first_inference_seconds = time_first_inference(network, evaluation)
    _, _, inferred, _ = time_inference(network, evaluation, 1, BLOCK_SECONDS, blocks=1, at_least=BLOCK_SECONDS)
    content = {
        "schema_version": SCHEMA_VERSION,
        "experiment": config.experiment,
        "model": model,
        "backend": backend,
        "settings": config.relevant_settings("sample", model),
        "batch_size": batch_size,
        "startup_seconds": sum(startup.values()) + build_seconds + first_step_seconds + first_inference_seconds,
        "first_step_seconds": first_step_seconds,
        "step_seconds": timing.step_seconds(trained),
        "inference_images_per_second": timing.images_per_second(inferred),
        "train_images": len(images),
        "validation_images": len(workload.validation[0]),
        "test_images": len(workload.test[0]),
        "peak_host_memory_bytes": peak_host_memory_bytes(),
        "peak_device_memory_bytes": current_backend().peak_memory_bytes(),
        "device": current_backend().device(),
        **process_times(),
    }
    write_json(results.sample(model, backend), content)
