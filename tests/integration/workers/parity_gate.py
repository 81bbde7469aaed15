"""The step parity on one backend, with and without a planted fault."""

import shutil
from pathlib import Path
from unittest.mock import patch

import keras

from integration.workers import faults
from vitbench.backends.process import current_backend
from vitbench.config.schema import Config
from vitbench.results.paths import Results
from vitbench.steps import init, parity
from vitbench.system.files import read_json

MODEL = "vit"


def draw_initial_weights(config: Config, folder: Path) -> None:
    init.run(config, Results(folder), MODEL, 0)


def compute_reference(config: Config, folder: Path) -> None:
    """Computes the quantities of this backend, with which others are compared."""
    backend = current_backend().name
    results = make_results(folder, f"{backend}-reference")
    parity.run(with_reference(config, backend), results, MODEL, backend)


def run_gate(config: Config, folder: Path, fault_names: list[str]) -> list[dict]:
    """The rows of tables/parity without a fault (`fault` is None), and with each fault planted."""
    backend = current_backend().name
    rows = []
    for fault in (None, *fault_names):
        if fault is None:
            verdict = compare_with_reference(config, folder, backend, "none")
        else:
            target, attribute, replacement = faults.FAULTS[fault]
            with patch.object(target, attribute, replacement):
                verdict = compare_with_reference(config, folder, backend, fault)
        rows += [row | {"fault": fault} for row in verdict["quantities"]]
        keras.backend.clear_session()
    return rows


def compare_with_reference(config: Config, folder: Path, backend: str, name: str) -> dict:
    reference = reference_of(backend)
    results = make_results(folder, f"{backend}-{name}")
    target = results.parity_quantities(MODEL, reference)
    target.parent.mkdir(parents=True)
    shutil.copy(Results(folder / f"{reference}-reference").parity_quantities(MODEL, reference), target)
    parity.run(with_reference(config, reference), results, MODEL, backend)
    return read_json(results.parity(MODEL, backend))


def reference_of(backend: str) -> str:
    """The reference backend, which is another one even for JAX."""
    return "torch" if backend == "jax" else "jax"


def make_results(folder: Path, name: str) -> Results:
    """A results directory in `folder` with the same images and initial weights."""
    (folder / name).mkdir()
    for part in ("data", "init"):
        (folder / name / part).symlink_to(folder / part)
    return Results(folder / name)


def with_reference(config: Config, backend: str) -> Config:
    return config.model_copy(update={"parity": config.parity.model_copy(update={"reference_backend": backend})})
