import numpy as np
import pytest

from vitbench.data.splits import load_splits
from vitbench.results.paths import Results
from vitbench.system.files import write_json
from vitbench.system.logs import UserError

IMAGES = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(3, axis=-1)
LABELS = np.arange(10, dtype=np.int32)


def test_validation_is_the_last_part_of_the_training_images(tmp_path):
    results = Results(tmp_path)
    results.manifest.parent.mkdir()
    for name in ("train", "test"):
        np.save(results.images(name), IMAGES)
        np.save(results.labels(name), LABELS)
    splits = load_splits(results, 0.1)
    assert list(splits["train"][1]) == list(range(9))
    assert list(splits["validation"][1]) == [9]
    assert len(splits["test"][1]) == 10


@pytest.mark.parametrize("manifest", [{"train_images": 11, "test_images": 10}, {"train_images": 10, "test_images": 9}])
def test_a_number_of_images_that_differs_from_the_manifest_is_refused(tmp_path, manifest):
    results = Results(tmp_path)
    write_json(results.manifest, manifest)
    for name in ("train", "test"):
        np.save(results.images(name), IMAGES)
        np.save(results.labels(name), LABELS)
    with pytest.raises(UserError, match="run the step data again"):
        load_splits(results, 0.1)
