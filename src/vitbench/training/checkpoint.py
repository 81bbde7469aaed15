"""What an interrupted run needs to go on where it was: kept at the end of each epoch, removed when the run is done.

It is no declared output, since Snakemake deletes those before it repeats a job.
"""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from vitbench.execution.state import TrainingState
from vitbench.system.files import atomic_write, read_json, write_json
from vitbench.system.locks import hold_one_of
from vitbench.system.logs import log, notify


class Checkpoint:
    """The state of one run in `directory`.

    identity: JSON that decides what the run computes. What was kept of a run of another identity is not taken up.
    """

    def __init__(self, directory: Path, identity: dict):
        self.directory, self.identity = directory, identity
        self._state, self._result = directory / "state.npz", directory / "result.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until no other process is at this run, as one is that its workflow no longer knows of."""
        with hold_one_of([self.directory / "lock"], f"another process to end this run ({self.directory})"):
            yield

    def best_weights(self, epoch: int) -> Path:
        """Where the weights of `epoch` are to be written, if it is the best so far."""
        return self.directory / f"best-{epoch}.weights.h5"

    def keep(self, model: keras.Model, told: dict) -> None:
        """Keeps the model's state and the JSON `told`; of the best weights, those of its best_epoch."""
        arrays = {
            f"{kind} {i}": a for kind, found in vars(TrainingState.capture(model)).items() for i, a in enumerate(found)
        }
        words = np.array(json.dumps({"identity": self.identity, "told": told}))
        with atomic_write(self._state) as path:
            np.savez(path, words=words, **arrays)
        for weights in self.directory.glob("*best-*.weights.h5"):
            if weights != self.best_weights(told["best_epoch"]):
                weights.unlink()

    def resume(self, model: keras.Model) -> dict | None:
        """Puts `model` where it was and returns what was told with it; None, and nothing done, if nothing is kept."""
        if not self._state.exists():
            return None
        try:
            with np.load(self._state) as kept:
                words = json.loads(str(kept["words"]))
                arrays = {name: kept[name] for name in kept.files}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("cannot read %s: %s", self._state, error)
            return self._anew("is damaged")
        if words["identity"] != self.identity:
            changed = sorted(key for key in self.identity if words["identity"].get(key) != self.identity[key])
            return self._anew(f"was made with other {', '.join(changed)}")
        TrainingState(
            *([a for name, a in arrays.items() if name.startswith(k)] for k in ("variables", "random"))
        ).restore(model)
        return words["told"]

    def _anew(self, reason: str) -> None:
        notify(f"{self._state} {reason}: the run begins anew")

    def finish(self, result: dict) -> None:
        """Keeps the result of the finished run, and nothing else.

        Until the tables are made, since a workflow that was ended before it heard of the end of this job repeats it.
        """
        write_json(self._result, {"identity": self.identity, "result": result})
        for file in self.directory.iterdir():
            if file.suffix in (".npz", ".h5"):
                file.unlink()

    def finished(self) -> dict | None:
        """The result that `finish` kept, if this run had come to its end."""
        if self._result.exists() and (kept := read_json(self._result))["identity"] == self.identity:
            return kept["result"]
        return None
