import pytest

from vitbench.system.files import atomic_write, read_json, write_json


def test_an_interrupted_write_leaves_no_file(tmp_path):
    path = tmp_path / "deep" / "metrics.json"
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as temporary:
        temporary.write_text("half of a res")
        raise KeyboardInterrupt
    assert list(path.parent.iterdir()) == []


def test_a_failed_write_leaves_the_old_content(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, {"value": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"value": float("nan")})
    assert read_json(path) == {"value": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_name_has_the_ending_that_keras_requires(tmp_path):
    with atomic_write(tmp_path / "best.weights.h5") as temporary:
        assert temporary.name.endswith(".weights.h5")
        temporary.touch()
