from pathlib import Path

import pytest

from carry import main, pack, unpack
from vitbench.config.schema import Config
from vitbench.results.paths import Results
from vitbench.system.logs import UserError

CONFIG = Config(backends=["jax", "torch"], models={"resnet50v2": None}, baseline=None)
RESULTS = Results.for_experiment(CONFIG.experiment)
RUN = RESULTS.run("vit", "jax", "tuned", "tf32", 0)
CHECKPOINT = RESULTS.checkpoint("vit", "jax", "tuned", "tf32", 0)
TRAVELS = [
    RESULTS.root / "queue.tsv",
    RESULTS.manifest,
    RESULTS.labels("test"),
    RESULTS.tune("vit", "jax", "tf32"),
    RESULTS.parity("vit", "jax"),
    RESULTS.parity_quantities("vit", "jax"),
    RESULTS.throughput("vit", "jax", "native", "tf32", "2-control"),
    RUN / "metrics.json",
    RUN / "environment.json",
    RUN / "history.csv",
    RUN / "predictions.npz",
    RESULTS.log("train", "vit", "jax"),
    RESULTS.log("data").with_suffix(".json"),
]
STAYS = [
    RESULTS.images("train"),
    RESULTS.labels("train"),
    RESULTS.init("vit", 0),
    RESULTS.parity_quantities("vit", "torch"),
    RUN / "best.weights.h5",
    RUN / ".host.1.metrics.json",
    CHECKPOINT / "state.npz",
    CHECKPOINT / "result.json",
    RESULTS.root / "compiled" / "triton" / "kernel.json",
]


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """A folder with results of every kind, in which this process is."""
    (tmp_path / "first").mkdir()
    monkeypatch.chdir(tmp_path / "first")
    for number, path in enumerate([*TRAVELS, *STAYS]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * 100)
    return tmp_path


def files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path("results").rglob("*") if path.is_file()}


def test_results_travel_in_parts_and_images_weights_and_checkpoints_stay(machine, monkeypatch):
    before = files()
    parts = pack(CONFIG, RESULTS, machine / "out" / "part", 1000)
    assert len(parts) > 2 and all(part.stat().st_size <= 1000 for part in parts)
    assert parts[0].name == f"part.zip.1-of-{len(parts)}"
    (machine / "second").mkdir()
    monkeypatch.chdir(machine / "second")
    assert sorted(unpack(machine / "out" / "part")) == sorted(map(str, TRAVELS))
    assert files() == {path: before[path] for path in TRAVELS}


def test_arrays_for_parity_that_are_too_large_stay(machine, monkeypatch):
    RESULTS.parity_quantities("vit", "jax").write_bytes(b"0" * 10_001)
    pack(CONFIG, RESULTS, machine / "part", 10_000)
    monkeypatch.chdir(machine)
    unpack(machine / "part")
    assert not RESULTS.parity_quantities("vit", "jax").exists() and RESULTS.parity("vit", "jax").exists()


def test_later_results_replace_earlier_ones(machine, monkeypatch):
    prefix = machine / "part"
    pack(CONFIG, RESULTS, prefix, 500)
    (RESULTS.root / "queue.tsv").write_text("more")
    pack(CONFIG, RESULTS, prefix, 10_000)
    assert [path.name for path in machine.glob("part*")] == ["part.zip.1-of-1"]
    monkeypatch.chdir(machine)
    (machine / RESULTS.root).mkdir(parents=True)
    (machine / RESULTS.root / "queue.tsv").write_text("less")
    unpack(prefix)
    assert (machine / RESULTS.root / "queue.tsv").read_text() == "more"


def test_a_missing_part_is_an_error_before_anything_is_extracted(machine, monkeypatch):
    parts = pack(CONFIG, RESULTS, machine / "part", 1000)
    parts[1].unlink()
    monkeypatch.chdir(machine)
    with pytest.raises(UserError, match=rf"part\.zip\.2-of-{len(parts)} is missing; all parts are needed"):
        unpack(Path("part"))
    assert not Path("results").exists()


def test_parts_of_two_archives_or_none_are_an_error(machine):
    with pytest.raises(UserError, match="no such file; expected all parts"):
        unpack(machine / "part")
    for name in ("part.zip.1-of-1", "part.zip.1-of-2"):
        (machine / name).touch()
    with pytest.raises(UserError, match="archives of 1 and 2 parts are mixed"):
        unpack(machine / "part")


def test_a_folder_without_results_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("experiment: mine")
    with pytest.raises(SystemExit):
        main(["pack", "part", "--config", "config.yaml"])
    assert f"there are no results in {tmp_path / 'results' / 'mine'}" in capsys.readouterr().err
