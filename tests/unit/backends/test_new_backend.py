"""Adding a backend takes one file and one line in the registry, as far as this package is concerned.

The backend of tests/helpers/fake_backend.py is registered in a fresh process, because the config's types, the figures'
colours and Keras itself depend on the registered backends when they are imported.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.backend_processes import subprocess_environment

PROGRAM = """
import json
import sys

from vitbench.backends.registry import BACKENDS, get_backend
BACKENDS["fake"] = "helpers.fake_backend:FakeBackend"  # the one line

from vitbench.backends.plan import Plan
from vitbench.backends.process import current_backend, start_backend
from vitbench.config.schema import Config
from vitbench.report.figures.style import backend_style
from vitbench.results.jobs import Job, list_measurements, list_runs
from vitbench.results.paths import Results

MODEL = {
    "image_size": 8,
    "patch_size": 4,
    "projection_dim": 4,
    "num_heads": 1,
    "layers": 1,
    "block_units": [4],
    "head_units": [4],
}
config = Config(
    backends=["fake"],
    baseline=None,
    seeds=[0],
    dataset={"source": "digits", "name": "digits"},
    models={"vit": MODEL, "resnet50v2": None},
    training={"epochs": 1, "batch_size": 8},
    parity={"reference_backend": "fake"},
)
results = Results.for_experiment("fake")
runs, measurements = list_runs(config), list_measurements(config)
facts = {
    "runs": [str(job) for job in runs],
    "measurements": [str(job) for job in measurements],
    "log": str(results.log("train", *runs[0].log_names)),
    "result": str(runs[0].result_path(results)),
    "reference": config.reference_backend("vit"),
    "data_backend": config.data_backend(),
    "style": backend_style("fake"),
    "candidates": [plan.as_dict() for plan in get_backend("fake").candidate_plans(augmented=True, on_gpu=False)],
    "imported_before_the_start": "keras" in sys.modules,
}
facts["startup"] = start_backend("fake", "float32", "cpu")

import keras
import numpy as np

from vitbench.data.batches import Batches
from vitbench.execution.assemble import assemble, resolve_plan
from vitbench.execution.audit import audit_model, audit_process, check_execution
from vitbench.execution.input_pipeline import build_input_pipeline
from vitbench.execution.state import preserve_state
from vitbench.measure.timing import peak_memory, time_first_step, time_train_blocks
from vitbench.models.registry import build_model
from vitbench.training.optimizers import build_optimizer

backend = current_backend()
backend.set_seed(0)
manifest = {
    "image_shape": [8, 8, 3],
    "class_names": ["a", "b", "c"],
    "normalization": {"mean": [128.0] * 3, "variance": [5000.0] * 3},
}
random = np.random.default_rng(0)
images = random.integers(0, 256, (16, 8, 8, 3), np.uint8)
labels = random.integers(0, 3, 16).astype(np.int32)
parts = build_model("vit", config.models.parameters()["vit"], manifest)
facts["resolved"] = resolve_plan(Plan(jit_compile=True), parts).as_dict()
for change in backend.plan_variations(augmented=True):
    plan = Plan(jit_compile=True, augmentation="sampler", **change)
    model = assemble(parts, plan, build_optimizer(config.training, 1, len(images)))
    batches = build_input_pipeline(Batches(images, labels, 8, seed=0), plan, parts)
    time_first_step(model, batches)
    before = model.get_weights()
    with preserve_state(model):
        loss = model.fit(batches.fit_input(), verbose=0).history["loss"][0]
    facts["restored"] = all(map(np.array_equal, before, model.get_weights()))
    facts["loss"] = float(loss)
    facts["blocks"] = [block.steps for block in time_train_blocks(model, batches.with_steps(steps=2), blocks=3)]
    check_execution(model)
    facts["audit"] = audit_model(model)
facts["audit_of_process"] = audit_process()
facts["memory"] = peak_memory()
facts["calls"] = backend.calls
facts["other_frameworks"] = sorted({"torch", "tensorflow"} & set(sys.modules))
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory) -> dict:
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=subprocess_environment() | {"JAX_PLATFORMS": "cpu"},
        cwd=tmp_path_factory.mktemp("fake"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    return json.loads(process.stdout.splitlines()[-1])


def test_the_config_accepts_it_and_plans_its_jobs(facts):
    assert facts["runs"] == ["vit · fake · tuned · seed 0"]
    in_round_1 = [name for name in facts["measurements"] if name.endswith("round 1")]
    assert sorted(in_round_1) == ["vit · fake · published · round 1", "vit · fake · tuned · round 1"]  # no native model
    assert (facts["reference"], facts["data_backend"]) == ("fake", "fake")


def test_its_name_is_part_of_the_paths(facts):
    assert facts["log"] == "results/fake/logs/train/vit-fake-tuned-float32-seed0.log"
    assert Path(facts["result"]).parts[2:] == ("runs", "vit", "fake", "tuned", "float32", "seed0", "metrics.json")


def test_the_figures_use_its_colour_and_marker(facts):
    assert facts["style"] == {"color": "#cc79a7", "marker": "D"}


def test_keras_is_imported_only_when_it_is_started_and_no_other_framework_is(facts):
    assert facts["imported_before_the_start"] is False
    assert facts["startup"]["import_seconds"] > 0 and facts["startup"]["device_seconds"] > 0
    assert facts["other_frameworks"] == []


def test_it_trains_and_is_timed(facts):
    assert 0 < facts["loss"] < 100
    assert facts["restored"] is True
    assert facts["blocks"] == [2, 2, 2]
    assert facts["resolved"]["jit_compile"] is True


def test_the_audit_reports_it(facts):
    for audit in (facts["audit"], facts["audit_of_process"]):
        assert audit["backend"] == "fake"
        assert audit["backend_version"].endswith("+fake")
        assert audit["matmul_precision"] == "exact" and audit["tf32_effective"] is False
    assert facts["audit"]["weights_on"] == "cpu" and facts["audit"]["jit_compile_effective"] is True


def test_its_own_methods_are_called(facts):
    assert facts["calls"][:2] == ["configure", "set_precision float32"]
    assert "synchronize" in facts["calls"]
    assert any(call.startswith("watch_model vit") for call in facts["calls"])
    assert facts["memory"]["peak_device_memory_bytes"] is None


def test_tune_compares_its_candidate_plans(facts):
    assert [plan["jit_compile"] for plan in facts["candidates"]] == [True, False]
