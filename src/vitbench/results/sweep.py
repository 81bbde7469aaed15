"""The batch sizes of a round that have been measured, so that an interrupted sweep continues with the next one."""

from pathlib import Path

from vitbench.system.files import read_json, write_json
from vitbench.system.logs import notify


class MeasuredSizes:
    """The outcomes of a round by batch size, in the file `path`.

    identity: everything that decides the outcomes, as JSON. Outcomes with another identity are not used.
    """

    def __init__(self, path: Path, identity: dict):
        self._path, self._content = path, {"identity": identity, "outcomes": {}}
        saved = read_json(path) if path.exists() else None
        if saved and saved["identity"] == identity:
            self._content = saved
            notify(f"continuing after batch size {max(map(int, saved['outcomes']))}")

    def load(self, batch_size: int) -> dict | None:
        """The outcome of each phase; None if this size has not been measured."""
        return self._content["outcomes"].get(str(batch_size))

    def save(self, batch_size: int, outcomes: dict) -> None:
        self._content["outcomes"][str(batch_size)] = outcomes
        write_json(self._path, self._content)

    def delete(self) -> None:
        """Deletes the file when the round is finished."""
        self._path.unlink(missing_ok=True)
