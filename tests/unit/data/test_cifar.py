import os
import subprocess
import sys

import pytest

from vitbench.data.cifar import CLASS_NAMES


def test_every_class_of_cifar_has_a_name():
    assert len(CLASS_NAMES["cifar10"]) == 10 and len(set(CLASS_NAMES["cifar100"])) == 100
    assert CLASS_NAMES["cifar100"] == sorted(CLASS_NAMES["cifar100"])


@pytest.mark.parametrize("archive", [None, b"a partial download"])
def test_a_failed_download_is_one_sentence_and_leaves_nothing_behind(tmp_path, archive):
    # A proxy that refuses every connection stands for a machine without a network. Keras reads the variables when its
    # process starts.
    target = tmp_path / "keras" / "datasets" / "cifar-100-python-target_archive"
    if archive:
        target.parent.mkdir(parents=True)
        target.write_bytes(archive)
    (tmp_path / "config.yaml").write_text("dataset: {source: keras, name: cifar100}\nbackends: [jax]\n")
    proxy = "http://127.0.0.1:9"
    process = subprocess.run(
        [sys.executable, "-m", "vitbench", "data", "--config", "config.yaml"],
        env=os.environ
        | {"KERAS_HOME": str(tmp_path / "keras"), "https_proxy": proxy, "HTTPS_PROXY": proxy}
        | {"PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 1
    (sentence,) = [line for line in process.stderr.splitlines() if line.startswith("Error: ")]
    assert "cifar100 could not be loaded" in sentence and str(tmp_path / "keras") in sentence
    assert "Traceback" not in process.stderr
    assert not target.exists() and not (tmp_path / "results").exists()
