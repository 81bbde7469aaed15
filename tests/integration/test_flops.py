"""The formula for floating-point operations agrees with PyTorch's counter."""

import pytest

from integration.results import FlopCounts
from vitbench.config.models import ViT
from vitbench.models import vit
from vitbench.models.flops import flops_per_image

MODELS = {
    "vit": ("vit", {}),
    "vit, average pooling, split heads": ("vit", {"pooling": "average", "key_dim": "split", "layers": 2}),
    "resnet50v2": ("resnet50v2", {}),
}


@pytest.mark.parametrize(("model", "changes"), MODELS.values(), ids=MODELS)
def test_the_formula_agrees_with_the_counter_of_pytorch(backend_processes, model, changes):
    counts: FlopCounts = backend_processes.call("torch", "integration.workers.flops:count_flops", model, changes)
    assert counts.formula == pytest.approx(counts.torch, rel=1e-3)


def test_the_operations_of_the_full_size_vit_agree_with_a_count_by_hand():
    """144 tokens of width 64, 4 heads of width 64, 8 blocks; head 9216 → 2048 → 1024 → 100; two per multiplication."""
    block = 4 * 144 * 64 * 256 + 2 * 4 * 144 * 144 * 64 + 144 * (64 * 128 + 128 * 64)
    head = 144 * 64 * 2048 + 2048 * 1024 + 1024 * 100
    flops = flops_per_image(vit.build(ViT(), classes=100))
    assert flops["infer"] == 2 * (144 * 108 * 64 + 8 * block + head)
    assert flops["train"] == 3 * flops["infer"] - 2 * 144 * 108 * 64
