import sys
from pathlib import Path

import pytest

from helpers.fake_nvml import fake_nvml
from vitbench.measure.energy import EnergyMeter


@pytest.fixture
def rapl(tmp_path) -> Path:
    """Two processor packages, a part of the first one, and a domain that includes both."""
    make_domain(tmp_path / "intel-rapl:0", "package-0", 10)
    make_domain(tmp_path / "intel-rapl:1", "package-1", 20)
    make_domain(tmp_path / "intel-rapl:0:0", "core", 5)
    make_domain(tmp_path / "intel-rapl:2", "psys", 50)
    return tmp_path


def make_domain(folder: Path, name: str, joules: float) -> None:
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text("100000000\n")
    set_counter(folder, joules)


def set_counter(folder: Path, joules: float) -> None:
    (folder / "energy_uj").write_text(f"{int(joules * 1e6)}\n")


def test_the_energy_is_that_of_all_packages_between_start_and_stop(rapl):
    meter = EnergyMeter(on_gpu=False, rapl=rapl)
    meter.start()
    set_counter(rapl / "intel-rapl:0", 13)
    set_counter(rapl / "intel-rapl:1", 24)
    set_counter(rapl / "intel-rapl:0:0", 90)  # part of package 0, which includes it
    meter.stop()
    set_counter(rapl / "intel-rapl:0", 50)  # in between
    meter.start()
    set_counter(rapl / "intel-rapl:0", 51)
    meter.stop()
    assert meter.joules == pytest.approx(3 + 4 + 1) and meter.source == "rapl"


def test_a_counter_that_overflows_is_corrected(rapl):
    meter = EnergyMeter(on_gpu=False, rapl=rapl)
    set_counter(rapl / "intel-rapl:0", 98)
    meter.start()
    set_counter(rapl / "intel-rapl:0", 3)
    meter.stop()
    assert meter.joules == pytest.approx(5)


def test_without_a_counter_there_is_no_energy(tmp_path):
    meter = EnergyMeter(on_gpu=False, rapl=tmp_path / "missing")
    meter.start()
    meter.stop()
    assert meter.joules is None and meter.source is None


def test_joules_per_image_divides_the_energy_by_the_images(rapl, tmp_path):
    meter = EnergyMeter(on_gpu=False, rapl=rapl)
    meter.start()
    set_counter(rapl / "intel-rapl:0", 14)
    meter.stop()
    assert meter.joules_per_image(8) == pytest.approx(0.5)
    assert EnergyMeter(on_gpu=False, rapl=tmp_path / "missing").joules_per_image(8) is None


@pytest.fixture
def gpu(monkeypatch) -> dict:
    """What NVML says about the only GPU."""
    answers = {"GetTotalEnergyConsumption": 5000}  # mJ
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(answers))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    return answers


def test_the_energy_of_a_gpu_is_that_of_its_board(gpu):
    meter = EnergyMeter(on_gpu=True)
    meter.start()
    gpu["GetTotalEnergyConsumption"] = 7000
    meter.stop()
    assert (meter.joules_per_image(4), meter.source) == (0.5, "nvml")


def test_energy_that_nvml_no_longer_says_is_not_known(gpu):
    meter = EnergyMeter(on_gpu=True)
    meter.start()
    gpu.clear()
    meter.stop()
    assert meter.joules_per_image(4) is None
