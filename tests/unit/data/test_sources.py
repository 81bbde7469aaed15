from typing import get_args

from vitbench.config.dataset import Dataset
from vitbench.data.sources import SOURCES


def test_every_source_of_the_config_has_a_loader():
    assert set(SOURCES) == set(get_args(Dataset.model_fields["source"].annotation))
