import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.cluster import SYSTEM_PATH, Cluster
from helpers.projects import copy_project

PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd")


@pytest.fixture(scope="module")
def cluster(request) -> Iterator[Cluster]:
    """With accounting, if the module's ACCOUNTING says so."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=SYSTEM_PATH)]
    assert not missing, f"not installed: {', '.join(missing)}; `make slurm-test` installs them"
    # pytest's own folders are closed to the users that MUNGE and MariaDB run as
    folder = Path(tempfile.mkdtemp(prefix="vitbench-slurm-"))
    folder.chmod(0o755)
    try:
        with Cluster(folder, accounting=request.module.ACCOUNTING) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return copy_project(tmp_path_factory.mktemp("project"))
