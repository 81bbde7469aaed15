"""A small experiment whose commands are called one by one, as a user can do without Snakemake."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from helpers.backend_processes import VARIABLES, subprocess_environment
from vitbench.results.paths import Results

SEED = 3
EPOCHS = 20
CONFIG: dict[str, Any] = {
    "experiment": "small",
    "accelerator": "cpu",
    "dataset": {"source": "digits", "name": "digits", "subset": 320},
    "models": {
        "vit": {
            "image_size": 16,
            "patch_size": 8,
            "projection_dim": 8,
            "num_heads": 1,
            "layers": 1,
            "block_units": [8],
            "head_units": [8],
        },
        "resnet50v2": None,
    },
    "baseline": None,
    "seeds": [SEED],
    "throughput": {
        "blocks": 3,
        "warmup_steps": 2,
        "block_seconds": 0.1,
        "steps_per_block": 2,
        "native_compiled": False,
        "disturbance_limit": None,  # other tests run meanwhile
    },
    "training": {"epochs": EPOCHS, "batch_size": 32, "schedule": {"name": "cosine"}, "checkpoint_seconds": 0},
}
# Plans that `tune` could choose. They differ in what a resumed run has to restore.
PLANS = {
    "jax": {"jit_compile": True, "augmentation": "sampler"},
    "torch": {"jit_compile": False, "augmentation": "outside"},
    "tensorflow": {"jit_compile": False, "steps_per_execution": 3},
}


def prepare_experiment(project: Path) -> None:
    """Writes to `project` the config and everything that a run starts from. Plans and verdicts are given."""
    write_config(project)
    wait_until_done(start_command(project, "data"))
    wait_until_done(start_command(project, "init", "--model", "vit", "--seed", str(SEED)))
    results = results_of(project)
    for backend, plan in PLANS.items():
        _write_json(results.tune("vit", backend, "float32"), {"plan": plan})
        _write_json(results.parity("vit", backend), {"quantities": []})


def write_config(project: Path, **changes: Any) -> None:
    """Writes the config of the experiment with other settings in its section `training`."""
    (project / "config.json").write_text(json.dumps(CONFIG | {"training": CONFIG["training"] | changes}))


def results_of(project: Path) -> Results:
    return Results(project / "results" / CONFIG["experiment"])


def run_folder(project: Path, backend: str) -> Path:
    return results_of(project).run("vit", backend, "tuned", "float32", SEED)


def checkpoint_folder(project: Path, backend: str) -> Path:
    return results_of(project).checkpoint("vit", backend, "tuned", "float32", SEED)


def start_command(project: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
    """Starts `vitbench` in `project`. prefix: a command that runs it, such as unshare."""
    command = [*prefix, sys.executable, "-m", "vitbench", *arguments, "--config", "config.json"]
    return subprocess.Popen(
        command, cwd=project, env=subprocess_environment() | VARIABLES, stderr=subprocess.PIPE, text=True
    )


def start_training(project: Path, backend: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
    log = results_of(project).log("train", backend)
    options = ["--model", "vit", "--backend", backend, "--seed", str(SEED), "--log", str(log)]
    return start_command(project, "train", *options, prefix=prefix)


def wait_until_done(process: subprocess.Popen) -> str:
    """Waits for the process, which must succeed, and returns its standard error."""
    _, output = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def _write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
