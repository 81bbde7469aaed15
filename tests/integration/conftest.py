from pathlib import Path

import pytest

from integration.by_hand import prepare


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """The project of `integration.by_hand`, ready to be trained."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder)
    return folder
