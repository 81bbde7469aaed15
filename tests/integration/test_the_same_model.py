"""The proof that it is the example's model, and the same one on every backend."""

import numpy as np
import pytest

from helpers.backend_processes import BACKENDS, on_every_backend
from integration import variants
from vitbench.parity.reference import reference_logits

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    """What each backend computed: first with weights of its own making, then with those that the others saved."""
    folder = tmp_path_factory.mktemp("models")
    for phase in ("save", "load"):
        on_every_backend("integration.worker", phase, str(folder))
    return {
        backend: {**np.load(folder / f"{backend}-saved.npz"), **np.load(folder / f"{backend}-loaded.npz")}
        for backend in BACKENDS
    }


def weights(p, classes: int) -> dict[str, np.ndarray]:
    """Every weight of a ViT by its name, with shapes worked out from the description."""
    d, heads = p.projection_dim, p.num_heads
    width = {None: d, "split": d // heads}.get(p.key_dim, p.key_dim)
    tokens = (p.image_size // p.patch_size) ** 2
    shapes = {
        "patch_encoder/projection/kernel": (p.patch_size**2 * 3, d),
        "patch_encoder/projection/bias": (d,),
        "patch_encoder/position_embedding/embeddings": (tokens, d),
        "final_norm/gamma": (d,),
        "final_norm/beta": (d,),
    }

    def chain(name: str, first: int, widths: list[int]) -> int:
        for i, width in enumerate(widths):
            shapes.update({f"{name}_dense{i}/kernel": (first, width), f"{name}_dense{i}/bias": (width,)})
            first = width
        return first

    for block in range(p.layers):
        for norm in ("norm1", "norm2"):
            shapes.update({f"block{block}_{norm}/{w}": (d,) for w in ("gamma", "beta")})
        for role in ("query", "key", "value"):
            shapes[f"block{block}_attention/{role}/kernel"] = (d, heads, width)
            shapes[f"block{block}_attention/{role}/bias"] = (heads, width)
        shapes[f"block{block}_attention/attention_output/kernel"] = (heads, width, d)
        shapes[f"block{block}_attention/attention_output/bias"] = (d,)
        chain(f"block{block}_mlp", d, p.block_units)
    last = chain("head", tokens * d if p.pooling == "flatten" else d, p.head_units)
    shapes.update({"logits/kernel": (last, classes), "logits/bias": (classes,)})
    return {name: variants.weight(name, shape) for name, shape in shapes.items()}


def proof(variant: str) -> np.ndarray:
    p, manifest = variants.VITS[variant], variants.MANIFEST
    drawn = weights(p, len(manifest["class_names"]))
    return reference_logits(variants.images(), drawn, manifest["normalization"], p)


def test_the_description_has_the_examples_number_of_weights():
    assert sum(w.size for w in weights(variants.VITS["full size"], 100).values()) == 21_759_012


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_full_size_vit_has_the_examples_number_of_weights(found, backend):
    assert found[backend]["trainable"] == 21_759_012


@pytest.mark.parametrize("variant", variants.VITS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_logits_are_those_of_the_description(found, backend, variant):
    expected = proof(variant)
    assert np.abs(expected).max() > 0.1  # else a small difference would say nothing
    np.testing.assert_allclose(found[backend][variant], expected, rtol=0, atol=TOLERANCE)


def test_each_option_changes_the_logits():
    base = proof("small")
    without_effect = {"small", "dropouts", "no dropout", "no augmentation"}  # when no training goes on
    for variant in set(variants.CHANGES) - without_effect:
        assert np.abs(proof(variant) - base).max() > 0.01, variant


@pytest.mark.parametrize("variant", variants.VITS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_made_from_its_config_is_the_same(found, backend, variant):
    np.testing.assert_allclose(found[backend][f"{variant}, copied"], found[backend][variant], rtol=0, atol=1e-5)


@pytest.mark.parametrize("variant", variants.PAIRED)
@pytest.mark.parametrize("reader", BACKENDS)
@pytest.mark.parametrize("writer", BACKENDS)
def test_weights_saved_on_one_backend_load_on_every_other(found, writer, reader, variant):
    assert found[reader][f"{writer}, {variant}, exact"]
    own, others = found[writer][variant], found[reader][f"{writer}, {variant}"]
    np.testing.assert_allclose(others, own, rtol=0, atol=TOLERANCE * np.abs(own).max())


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_resnet50v2_is_the_same_on_every_backend(found, backend):
    reference = found[BACKENDS[0]][variants.RESNET]
    assert np.abs(reference).max() > 0.01
    np.testing.assert_allclose(
        found[backend][variants.RESNET], reference, rtol=0, atol=TOLERANCE * np.abs(reference).max()
    )
