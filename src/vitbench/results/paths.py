"""The layout of results/<experiment>: a public interface, so a change needs a new schema version."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Results:
    """The paths below one results/<experiment>."""

    root: Path

    @classmethod
    def for_experiment(cls, experiment: str) -> "Results":
        return cls(Path("results") / experiment)

    @property
    def manifest(self) -> Path:
        return self.root / "data" / "manifest.json"

    def images(self, split: str) -> Path:
        """uint8 (n, height, width, 3) of `split`, train or test."""
        return self.root / "data" / f"x_{split}.npy"

    def labels(self, split: str) -> Path:
        """int32 (n,) of `split`, train or test."""
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
        """The compared quantities, as arrays."""
        return self.root / "parity" / model / f"{backend}.npz"

    def run(self, model: str, backend: str, execution: str, precision: str, seed: int) -> Path:
        return self.root / "runs" / model / backend / execution / precision / f"seed{seed}"

    def predictions(self, model: str, backend: str, execution: str, precision: str, seed: int) -> Path:
        """The predictions of a run's best weights for the test images."""
        return self.run(model, backend, execution, precision, seed) / "predictions.npz"

    def checkpoint(self, model: str, backend: str, execution: str, precision: str, seed: int) -> Path:
        """The directory from which an interrupted run is resumed."""
        return self.root / "checkpoints" / model / backend / execution / precision / f"seed{seed}"

    def checkpoint_of_round(self, model: str, backend: str, execution: str, precision: str, round: str) -> Path:
        """The file from which an interrupted sweep over batch sizes continues."""
        return self.root / "checkpoints" / model / backend / execution / precision / f"round{round}.json"

    def throughput(self, model: str, backend: str, execution: str, precision: str, round: str) -> Path:
        """round: as in `Job`."""
        return self.root / "throughput" / model / backend / execution / precision / f"round{round}.json"

    def log(self, step: str, *names: str) -> Path:
        return self.root / "logs" / step / f"{'-'.join(names)}.log" if names else self.root / "logs" / f"{step}.log"

    def figure(self, name: str) -> Path:
        return self.root / "figures" / f"{name}.svg"

    @property
    def tables(self) -> Path:
        return self.root / "tables"
