"""A small experiment whose commands are called one by one, as a person could."""

import json
import subprocess
import sys
from pathlib import Path

from helpers.backend_processes import environment

EPOCHS = 40
CONFIG = {
    "experiment": "interrupted",
    "accelerator": "cpu",
    "dataset": {"source": "digits", "name": "digits", "subset": 320},
    "models": {
        "vit": {
            **{"image_size": 16, "patch_size": 8, "projection_dim": 8, "num_heads": 1, "layers": 1},
            **{"block_units": [8], "head_units": [8]},
        },
        "resnet50v2": None,
    },
    "baseline": None,
    "seeds": [3],
    "throughput": {"blocks": 3, "warmup_steps": 2, "block_seconds": 0.1, "steps_per_block": 2},
    "training": {"epochs": EPOCHS, "batch_size": 32, "schedule": {"name": "cosine"}},
}
PLANS = {  # what tune could choose: compiled; augmentation outside; several steps at once
    "jax": {"jit_compile": True, "augmentation": "sampler"},
    "torch": {"jit_compile": False, "augmentation": "outside"},
    "tensorflow": {"jit_compile": False, "steps_per_execution": 3},
}


def vitbench(folder: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
    command = [*prefix, sys.executable, "-m", "vitbench", *arguments, "--config", "config.json"]
    return subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True)


def train(folder: Path, backend: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
    log = f"results/interrupted/logs/train/{backend}.log"
    return vitbench(folder, "train", "--model", "vit", "--backend", backend, "--seed", "3", "--log", log, prefix=prefix)


def ended(process: subprocess.Popen) -> str:
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def run_of(folder: Path, backend: str, name: str) -> Path:
    return folder / "results/interrupted/runs/vit" / backend / "tuned/float32/seed3" / name


def checkpoint_of(folder: Path, backend: str) -> Path:
    return folder / "results/interrupted/checkpoints/vit" / backend / "tuned/float32/seed3"


def prepare(folder: Path) -> None:
    """Makes what a run starts from; plans and verdicts are given."""
    (folder / "config.json").write_text(json.dumps(CONFIG))
    ended(vitbench(folder, "data"))
    ended(vitbench(folder, "init", "--model", "vit", "--seed", "3"))
    for backend, plan in PLANS.items():
        for file, content in (
            (f"tune/vit/{backend}/float32.json", {"plan": plan}),
            (f"parity/vit/{backend}.json", {"quantities": []}),
        ):
            (folder / "results/interrupted" / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / "results/interrupted" / file).write_text(json.dumps(content))
