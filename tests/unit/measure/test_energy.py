from pathlib import Path

import pytest

from vitbench.measure.energy import EnergyMeter


@pytest.fixture
def rapl(tmp_path) -> Path:
    for name, what, used in (("intel-rapl:0", "package-0", 10), ("intel-rapl:1", "package-1", 20)):
        domain(tmp_path / name, what, used)
    domain(tmp_path / "intel-rapl:0:0", "core", 5)
    domain(tmp_path / "intel-rapl:2", "psys", 50)
    return tmp_path


def domain(folder: Path, name: str, joules: float) -> None:
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text("100000000\n")
    consume(folder, joules)


def consume(folder: Path, joules: float) -> None:
    (folder / "energy_uj").write_text(f"{int(joules * 1e6)}\n")


def test_joules_are_those_of_the_epochs_of_all_packages(rapl):
    meter = EnergyMeter(on_gpu=False, rapl=rapl)
    meter.on_epoch_begin(0)
    consume(rapl / "intel-rapl:0", 13)
    consume(rapl / "intel-rapl:1", 24)
    consume(rapl / "intel-rapl:0:0", 90)  # a part of package 0, counted there
    meter.on_epoch_end(0)
    consume(rapl / "intel-rapl:0", 50)  # between epochs
    meter.on_epoch_begin(1)
    consume(rapl / "intel-rapl:0", 51)
    meter.on_epoch_end(1)
    assert meter.joules == pytest.approx(3 + 4 + 1) and meter.source == "rapl"


def test_a_counter_that_goes_round_is_followed(rapl):
    meter = EnergyMeter(on_gpu=False, rapl=rapl)
    consume(rapl / "intel-rapl:0", 98)
    meter.on_epoch_begin(0)
    consume(rapl / "intel-rapl:0", 3)
    meter.on_epoch_end(0)
    assert meter.joules == pytest.approx(5)


def test_where_nothing_can_be_read_nothing_is_claimed(tmp_path):
    meter = EnergyMeter(on_gpu=False, rapl=tmp_path / "missing")
    meter.on_epoch_begin(0)
    meter.on_epoch_end(0)
    assert meter.joules is None and meter.source is None
