"""Where results lie, and how they are written: whole or not at all."""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Results:
    """The paths under results/<experiment>; the public layout, so a change needs a schema version bump."""

    root: Path

    @classmethod
    def of(cls, experiment: str) -> "Results":
        return cls(Path("results") / experiment)

    @property
    def manifest(self) -> Path:
        return self.root / "data" / "manifest.json"

    def images(self, split: str) -> Path:
        """uint8 (n, height, width, 3) of `split` train or test."""
        return self.root / "data" / f"x_{split}.npy"

    def labels(self, split: str) -> Path:
        """int32 (n,) of `split` train or test."""
        return self.root / "data" / f"y_{split}.npy"

    def init(self, model: str, seed: int) -> Path:
        return self.root / "init" / f"{model}-seed{seed}.weights.h5"

    def sample(self, model: str, backend: str) -> Path:
        return self.root / "sample" / model / f"{backend}.json"

    def tune(self, model: str, backend: str, precision: str) -> Path:
        return self.root / "tune" / model / backend / f"{precision}.json"

    def parity(self, model: str, backend: str) -> Path:
        return self.root / "parity" / model / f"{backend}.json"

    def parity_quantities(self, model: str, backend: str) -> Path:
        """What was compared, as arrays."""
        return self.root / "parity" / model / f"{backend}.npz"

    def run(self, model: str, backend: str, execution: str, precision: str, seed: int) -> Path:
        return self.root / "runs" / model / backend / execution / precision / f"seed{seed}"

    def predictions(self, model: str, backend: str, execution: str, precision: str, seed: int) -> Path:
        """What a run's best weights make of the test images."""
        return self.run(model, backend, execution, precision, seed) / "predictions.npz"

    def checkpoint(self, model: str, backend: str, execution: str, precision: str, seed: int) -> Path:
        """Where a run keeps what it needs to go on after an interruption."""
        return self.root / "checkpoints" / model / backend / execution / precision / f"seed{seed}"

    def throughput(self, model: str, backend: str, execution: str, precision: str) -> Path:
        return self.root / "throughput" / model / backend / execution / f"{precision}.json"

    def log(self, step: str, *names: str) -> Path:
        return self.root / "logs" / step / f"{'-'.join(names)}.log" if names else self.root / "logs" / f"{step}.log"

    def figure(self, name: str) -> Path:
        return self.root / "figures" / f"{name}.svg"

    @property
    def tables(self) -> Path:
        return self.root / "tables"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well, and is removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{platform.node()}.{os.getpid()}.{path.name}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut can leave the new name with nothing in it
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: dict) -> None:
    with whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())
