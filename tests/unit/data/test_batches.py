import itertools

import numpy as np

from vitbench.data.batches import Batches, even_batches, shuffle_order

IMAGES = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(3, axis=-1)
LABELS = np.arange(10, dtype=np.int32)


def labels_of_epoch(batches: Batches) -> list[list[int]]:
    return [list(batches[i][1]) for i in range(len(batches))]


def test_an_epoch_contains_each_image_once_and_its_last_batch_is_smaller():
    batches = labels_of_epoch(Batches(IMAGES, LABELS, batch_size=4, seed=0))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sorted(itertools.chain(*batches)) == list(range(10))


def test_images_and_labels_stay_together():
    images, labels = Batches(IMAGES, LABELS, batch_size=4, seed=0)[1]
    np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_seed_and_epoch_alone_decide_the_order_of_the_images():
    np.random.seed(7)
    first, second = shuffle_order(100, 3, 5), shuffle_order(100, 3, 5)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, shuffle_order(100, 3, 6))
    assert not np.array_equal(first, shuffle_order(100, 4, 5))


def test_an_epoch_has_the_order_of_its_number():
    batches = Batches(IMAGES, LABELS, batch_size=10, seed=1)
    assert labels_of_epoch(batches) == [list(shuffle_order(10, 1, 0))]
    batches.begin_epoch(7)
    assert labels_of_epoch(batches) == [list(shuffle_order(10, 1, 7))]


def test_a_fixed_number_of_steps_makes_full_batches_that_start_again_from_the_first_image():
    batches = labels_of_epoch(Batches(IMAGES, LABELS, batch_size=4, steps=4))
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1], [2, 3, 4, 5]]


def test_even_batches_are_one_pass_in_order():
    assert labels_of_epoch(even_batches(IMAGES, LABELS, max_batch_size=6)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert labels_of_epoch(even_batches(IMAGES, LABELS, max_batch_size=512)) == [list(range(10))]


def test_batches_are_copies_in_memory_of_memory_mapped_arrays(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", LABELS)
    images, labels = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy")
    for batches in (Batches(images, labels, 4, seed=0), even_batches(images[:7], labels[:7], 4)):
        for array in batches[0]:
            assert type(array) is np.ndarray and not np.shares_memory(array, images) and array.flags.writeable


def test_with_steps_leaves_the_original_unchanged():
    batches = Batches(IMAGES, LABELS, batch_size=4, seed=0)
    shorter = batches.with_steps(steps=1, batch_size=2)
    assert (len(shorter), shorter.batch_size) == (1, 2)
    assert (len(batches), batches.batch_size) == (3, 4)
    assert list(shorter[0][1]) == list(batches[0][1][:2])
