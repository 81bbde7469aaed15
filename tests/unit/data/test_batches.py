import itertools

import numpy as np
import pytest

from vitbench.data.batches import Batches, even_batches, shuffle_order
from vitbench.data.splits import load_splits
from vitbench.results.paths import Results
from vitbench.system.files import write_json
from vitbench.system.logs import UserError

IMAGES = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(3, axis=-1)
LABELS = np.arange(10, dtype=np.int32)


def epoch(batches: Batches) -> list[list[int]]:
    return [list(batches[i][1]) for i in range(len(batches))]


def test_an_epoch_shows_each_image_once_and_the_last_batch_is_smaller():
    shown = epoch(Batches(IMAGES, LABELS, batch_size=4, seed=0))
    assert [len(batch) for batch in shown] == [4, 4, 2]
    assert sorted(itertools.chain(*shown)) == list(range(10))


def test_images_and_labels_stay_together():
    images, labels = Batches(IMAGES, LABELS, batch_size=4, seed=0)[1]
    np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else():
    np.random.seed(7)
    first, second = shuffle_order(100, 3, 5), shuffle_order(100, 3, 5)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, shuffle_order(100, 3, 6))
    assert not np.array_equal(first, shuffle_order(100, 4, 5))


def test_an_epoch_has_the_order_of_its_number():
    batches = Batches(IMAGES, LABELS, batch_size=10, seed=1)
    assert epoch(batches) == [list(shuffle_order(10, 1, 0))]
    batches.begin(7)
    assert epoch(batches) == [list(shuffle_order(10, 1, 7))]


def test_a_fixed_number_of_steps_has_full_batches_and_goes_round_the_images():
    shown = epoch(Batches(IMAGES, LABELS, batch_size=4, steps=4))
    assert shown == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5]]


def test_evaluation_is_one_pass_in_order_in_even_batches():
    assert epoch(even_batches(IMAGES, LABELS, most=6)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert epoch(even_batches(IMAGES, LABELS, most=512)) == [list(range(10))]


def test_validation_is_the_last_part_of_the_training_images(tmp_path):
    results = Results(tmp_path)
    results.manifest.parent.mkdir()
    for name in ("train", "test"):
        np.save(results.images(name), IMAGES)
        np.save(results.labels(name), LABELS)
    parts = load_splits(results, 0.1)
    assert list(parts["train"][1]) == list(range(9))
    assert list(parts["validation"][1]) == [9]
    assert len(parts["test"][1]) == 10


@pytest.mark.parametrize("said", [{"train_images": 11, "test_images": 10}, {"train_images": 10, "test_images": 9}])
def test_images_that_are_not_those_of_the_manifest_are_refused(tmp_path, said):
    results = Results(tmp_path)
    write_json(results.manifest, said)
    for name in ("train", "test"):
        np.save(results.images(name), IMAGES)
        np.save(results.labels(name), LABELS)
    with pytest.raises(UserError, match="run the step data again"):
        load_splits(results, 0.1)


def test_what_keras_gets_lies_in_memory(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", LABELS)
    images, labels = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy")
    for batches in (Batches(images, labels, 4, seed=0), even_batches(images[:7], labels[:7], 4)):
        for array in batches[0]:
            assert type(array) is np.ndarray and not np.shares_memory(array, images) and array.flags.writeable
