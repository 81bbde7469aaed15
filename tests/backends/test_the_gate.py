"""The parity gate passes what is the same, and catches nine faults, on every backend."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backends import variants
from backends.processes import BACKENDS, on_every_backend
from vitbench.config import Config
from vitbench.results import Results, read_json

FAULTS = (
    *("tanh GELU", "epsilon 1e-3", "patches in column order", "positions shifted by one", "one transposed kernel"),
    *("softmax before the loss", "weight decay applied twice", "a dropout left on", "one batch swapped"),
)
QUANTITIES = ("logits", "loss", "slope", "gradient", "losses")


def config(folder: Path) -> Path:
    """A small ViT without augmentation, for which both executions are one."""
    vit = variants.SMALL | {"augmentation": None}
    settings = {"models": {"vit": vit}, "baseline": None, "seeds": [0], "accelerator": "cpu"}
    settings |= {"executions": {"train": ["published"], "throughput": ["published"]}}
    Config.model_validate(settings)
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    return path


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("gate")
    settings, results = config(folder), Results(folder)
    random = np.random.default_rng(5)
    results.manifest.parent.mkdir()
    for split, n in (("train", 400), ("test", 16)):
        np.save(results.images(split), random.integers(0, 256, (n, *variants.MANIFEST["image_shape"]), np.uint8))
        np.save(results.labels(split), random.integers(0, 100, n).astype(np.int32))
    results.manifest.write_text(json.dumps(variants.MANIFEST | {"train_images": 400, "test_images": 16}))
    module, arguments = "backends.faults_worker", (str(settings), str(folder))
    on_every_backend(module, "init", *arguments, backends=["jax"])
    on_every_backend(module, "reference", *arguments, backends=["jax", "torch"])
    on_every_backend(module, "gate", *arguments)
    found = [
        row | {"fault": fault}
        for backend in BACKENDS
        for fault in (None, *FAULTS)
        for row in read_json(Results(folder / f"{backend}-{fault}").parity("vit", backend))["quantities"]
    ]
    return pd.DataFrame(found)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_the_same_passes_with_room_to_spare(rows, backend):
    clean = rows[rows["fault"].isna() & (rows["backend"] == backend)]
    assert set(clean["quantity"]) == set(QUANTITIES)
    assert clean["weight"].notna().sum() == 43  # the gradient of every weight
    assert clean["passed"].all()
    assert (clean["max_rel_difference"] / clean["tolerance"]).max() < 0.2


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fault_is_caught(rows, backend, fault):
    of_fault = rows[(rows["fault"] == fault) & (rows["backend"] == backend)]
    caught = of_fault[~of_fault["passed"]]
    used = (of_fault["max_rel_difference"] / of_fault["tolerance"]).groupby(of_fault["quantity"]).max()
    print(f"{fault} on {backend}: difference ÷ tolerance", used.reindex(QUANTITIES).to_dict())
    assert len(caught)
