import keras
import numpy as np
import pytest

from vitbench.config.models import ViT
from vitbench.models import vit
from vitbench.models.vit import Patches

SMALL = ViT(image_size=12, patch_size=6, projection_dim=8, num_heads=2, layers=1, block_units=[16, 8], head_units=[8])


def test_the_full_size_model_has_as_many_weights_as_the_keras_example(zero_weights):
    model = vit.build(ViT(), classes=100)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 21_759_012
    assert model.output_shape == (None, 100)


def test_patches_are_cut_row_by_row():
    images = np.arange(2 * 4 * 6 * 3, dtype="float32").reshape(2, 4, 6, 3)
    patches = np.asarray(Patches(2)(images))
    assert patches.shape == (2, 6, 12)
    np.testing.assert_array_equal(patches[1, 4], images[1, 2:4, 2:4].ravel())  # second row of patches, second column


@pytest.mark.parametrize("pooling", ["flatten", "average"])
def test_a_saved_model_computes_the_same_after_loading(tmp_path, pooling):
    model = vit.build(SMALL.model_copy(update={"pooling": pooling}), classes=5)
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).normal(size=(3, 12, 12, 3)).astype("float32")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(images, verbose=0), model.predict(images, verbose=0), rtol=1e-6)
