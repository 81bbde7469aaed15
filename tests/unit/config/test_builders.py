from pathlib import Path

import pytest

from vitbench.config.builders import check_builders
from vitbench.config.loading import ConfigError, parse_config


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch) -> Path:
    """A folder with a module that defines a builder, and one that is not valid Python."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "net.py").write_text("from .parts import WIDTH\n\n\ndef build():\n    return WIDTH\n")
    (tmp_path / "mine" / "broken.py").write_text("def build(:\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("mine.net:biuld", "defines no 'biuld'; it defines build"),
        ("mine.nett:build", "found no module mine.nett"),
        ("mine.broken:build", "not valid Python: line 1"),
    ],
)
def test_a_missing_builder_is_an_error_before_anything_is_imported(builder, message):
    with pytest.raises(ConfigError, match=r"models\.own\.builder") as caught:
        check_builders(parse_config({"models": {"own": {"builder": builder}}}))
    assert message in str(caught.value)


def test_a_builder_in_the_working_folder_or_in_an_installed_package_is_accepted():
    for builder in ("mine.net:build", "mine.net:WIDTH", "keras.applications:MobileNetV2"):
        check_builders(parse_config({"models": {"own": {"builder": builder}}}))
