"""The gate on one backend: KERAS_BACKEND=… python -m integration.faults_worker PHASE CONFIG FOLDER"""

import os
import shutil
import sys
from pathlib import Path
from unittest.mock import patch

import keras

from integration import faults
from vitbench.config import loading
from vitbench.config.schema import Config
from vitbench.results.paths import Results
from vitbench.steps import init, parity

MODEL = "vit"


def make_init(config: Config, folder: Path, backend: str) -> None:
    init.run(config, Results(folder), MODEL, 0)


def be_reference(config: Config, folder: Path, backend: str) -> None:
    """What this backend computes, for others to compare with."""
    parity.run(_compared_with(backend, config), _own(folder, f"{backend}-reference"), MODEL, backend)


def pass_gate(config: Config, folder: Path, backend: str) -> None:
    """The gate as it is, and then with each fault planted."""
    reference = "torch" if backend == "jax" else "jax"
    quantities = Results(folder / f"{reference}-reference").parity_quantities(MODEL, reference)
    for fault in (None, *faults.PLANTED):
        results = _own(folder, f"{backend}-{fault}")
        target = results.parity_quantities(MODEL, reference)
        target.parent.mkdir(parents=True)
        shutil.copy(quantities, target)
        with patch.object(*faults.PLANTED[fault]) if fault else patch.dict({}):
            parity.run(_compared_with(reference, config), results, MODEL, backend)
        keras.backend.clear_session()


def _own(folder: Path, name: str) -> Results:
    """Results of their own on the same images and initial weights."""
    (folder / name).mkdir()
    for shared in ("data", "init"):
        (folder / name / shared).symlink_to(folder / shared)
    return Results(folder / name)


def _compared_with(reference: str, config: Config) -> Config:
    return config.model_copy(update={"parity": config.parity.model_copy(update={"reference_backend": reference})})


if __name__ == "__main__":
    phases = {"init": make_init, "reference": be_reference, "gate": pass_gate}
    phases[sys.argv[1]](loading.load_config([Path(sys.argv[2])]), Path(sys.argv[3]), os.environ["KERAS_BACKEND"])
