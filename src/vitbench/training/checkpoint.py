"""The checkpoint from which an interrupted run is resumed. It is written at the end of an epoch.

It is not an output of its Snakemake rule, because Snakemake deletes the outputs of a job before it repeats the job.
"""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vitbench.execution.state import TrainingState
from vitbench.system.files import atomic_write, read_json, write_json
from vitbench.system.locks import hold_one_of
from vitbench.system.logs import log, notify


class Checkpoint:
    """The saved state of one run in `directory`.

    identity: everything that decides what the run computes, as JSON. A state with another identity is not loaded.
    """

    def __init__(self, directory: Path, identity: dict):
        self.directory, self.identity = directory, identity
        self._state, self._result = directory / "state.npz", directory / "result.json"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Waits until no other process works on this run, for example one that outlived its workflow."""
        with hold_one_of([self.directory / "lock"], f"another process to end this run ({self.directory})"):
            yield

    def best_weights(self, epoch: int) -> Path:
        """The file with the weights of `epoch`, which exists if that is the best epoch so far."""
        return self.directory / f"best-{epoch}.weights.h5"

    def save(self, model: keras.Model, history: dict) -> None:
        """Saves the state of `model` and the JSON `history`, and deletes the weights of all epochs but the best."""
        state = TrainingState.capture(model)
        arrays: dict[str, Any] = {f"variables {i}": array for i, array in enumerate(state.variables)}
        arrays |= {f"random {i}": array for i, array in enumerate(state.random)}
        text = np.array(json.dumps({"identity": self.identity, "history": history}))
        with atomic_write(self._state) as path:
            np.savez(path, json=text, **arrays)
        for weights in self.directory.glob("*best-*.weights.h5"):
            if weights != self.best_weights(history["best_epoch"]):
                weights.unlink()

    def resume(self, model: keras.Model) -> dict | None:
        """Restores the saved state into `model` and returns the history; None if there is no state to resume."""
        if not self._state.exists():
            return None
        try:
            with np.load(self._state) as file:
                content = json.loads(str(file["json"]))
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("cannot read %s: %s", self._state, error)
            return self._start_again("is damaged")
        if content["identity"] != self.identity:
            changed = sorted(key for key in self.identity if content["identity"].get(key) != self.identity[key])
            return self._start_again(f"was saved with other {', '.join(changed)}")
        variables = [array for name, array in arrays.items() if name.startswith("variables")]
        random = [array for name, array in arrays.items() if name.startswith("random")]
        TrainingState(variables, random).restore(model)
        return content["history"]

    def _start_again(self, reason: str) -> None:
        notify(f"{self._state} {reason}: the run starts from the beginning")

    def finish(self, result: dict) -> None:
        """Saves the result of the finished run and deletes everything else.

        The result stays until the tables are made. A workflow that was stopped before it noticed that this job had
        finished repeats the job, which then finds its result here.
        """
        write_json(self._result, {"identity": self.identity, "result": result})
        for file in self.directory.iterdir():
            if file.suffix in (".npz", ".h5"):
                file.unlink()

    def finished_result(self) -> dict | None:
        """The result that `finish` saved; None if this run has not finished."""
        if self._result.exists() and (saved := read_json(self._result))["identity"] == self.identity:
            return saved["result"]
        return None
