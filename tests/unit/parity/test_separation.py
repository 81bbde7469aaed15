from pathlib import Path

import pytest

from vitbench.system.fingerprint import SOURCE, source_files


@pytest.mark.parametrize("step", ["train", "tune", "throughput", "sample"])
def test_a_measuring_step_does_not_import_the_reference(step):
    imported = {Path(file).relative_to(SOURCE / "vitbench") for file in source_files(f"vitbench.steps.{step}")}
    assert Path("execution/assemble.py") in imported
    assert not imported & {Path("parity/reference.py"), Path("parity/augmentation.py"), Path("parity/comparison.py")}


def test_the_reference_imports_nothing_of_the_product():
    imported = {Path(file).relative_to(SOURCE / "vitbench") for file in source_files("vitbench.parity.reference")}
    assert {path for path in imported if path.name != "__init__.py"} == {Path("parity/reference.py")}
