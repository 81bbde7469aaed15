import shutil
from pathlib import Path

import pytest

from helpers.projects import prepare_project
from helpers.sharing import make_once, share_compiled_functions

share_compiled_functions()


@pytest.fixture(scope="module")
def prepared_project(tmp_path_factory) -> Path:
    """A copy of the project, for one module, in which the tiny experiment has run up to parity."""
    prepared = make_once(tmp_path_factory, "prepared-project", prepare_project)
    project = tmp_path_factory.mktemp("project") / "project"
    shutil.copytree(prepared, project, symlinks=True)
    return project
