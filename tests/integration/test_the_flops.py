"""The formula's floating-point operations are those that torch's own counter sees."""

import json

import keras
import pytest

from helpers.backend_processes import on_every_backend
from vitbench.models.flops import flops_per_image


@pytest.fixture(scope="module")
def counted(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("flops")
    on_every_backend("integration.flops_worker", str(folder), backends=["torch"])
    return json.loads((folder / "torch.json").read_text())


@pytest.mark.parametrize("phase", ["infer", "train"])
@pytest.mark.parametrize("model", ["vit", "vit, average pooling, split heads", "resnet50v2"])
def test_the_formula_agrees_with_torchs_counter(counted, model, phase):
    assert counted[model]["formula"][phase] == pytest.approx(counted[model]["torch"][phase], rel=1e-3)


def test_the_full_size_vits_operations_by_hand():
    """144 tokens of width 64, 4 heads of width 64, 8 blocks; head 9216 → 2048 → 1024 → 100; two per multiplication."""
    block = 4 * 144 * 64 * 256 + 2 * 4 * 144 * 144 * 64 + 144 * (64 * 128 + 128 * 64)
    head = 144 * 64 * 2048 + 2048 * 1024 + 1024 * 100
    from vitbench.config.models import ViT
    from vitbench.models import vit

    found = flops_per_image(vit.build(ViT(), classes=100))
    assert found["infer"] == 2 * (144 * 108 * 64 + 8 * block + head)
    assert found["train"] == 3 * found["infer"] - 2 * 144 * 108 * 64


def test_a_kernel_in_an_unknown_layer_makes_the_number_unknown():
    class Mine(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], 2))

        def call(self, x):
            return keras.ops.matmul(x, self.w)

    images = keras.Input((4, 4, 3))
    assert flops_per_image(keras.Model(images, Mine()(keras.layers.Flatten()(images)))) is None
