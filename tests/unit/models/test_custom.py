import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from vitbench.backends.plan import PUBLISHED
from vitbench.config.models import CustomModel
from vitbench.execution.assemble import assemble
from vitbench.models.custom import BuilderError
from vitbench.models.registry import build_model

REPOSITORY = Path(__file__).parents[3]
MANIFEST = {
    "image_shape": [8, 8, 3],
    "class_names": [str(i) for i in range(7)],
    "normalization": {"mean": [0.0] * 3, "variance": [1.0] * 3},
}
MODULE = """
import keras
from keras import layers

def make_builder(activation=None, units=None):
    def build(input_shape, classes):
        return keras.Sequential([
            keras.Input(input_shape), layers.Flatten(), layers.Dense(units or classes, activation=activation)
        ])
    return build

softmax, wrong_width, number = make_builder("softmax"), make_builder(units=3), 7

def nothing(input_shape, classes):
    return None

def fails(input_shape, classes):
    raise RuntimeError("no such layer")

def infinite(input_shape, classes):
    return keras.Sequential([keras.Input(input_shape), layers.Flatten(), layers.Rescaling(float("inf")),
                             layers.Dense(classes)])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield tmp_path
    sys.modules.pop("my_nets", None)


def test_the_example_is_built_with_its_options_and_takes_raw_images(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    parameters = CustomModel(builder="examples.small_cnn:build", options={"width": 4})
    parts = build_model("own", parameters, MANIFEST)
    assert (parts.preprocessing, parts.augmentation) == ([], [])
    model = assemble(parts, PUBLISHED, keras.optimizers.SGD())
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    assert model.predict(images, verbose=0).shape == (5, 7)
    wider = build_model("own", parameters.model_copy(update={"options": {"width": 8}}), MANIFEST)
    assert wider.classifier.count_params() > parts.classifier.count_params()


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("my_nets:softmax", "returns probabilities; remove the softmax"),
        ("my_nets:wrong_width", "to (None, 3), but it must return logits (batch, 7)"),
        ("my_nets:nothing", "returned NoneType, not a keras.Model"),
        ("my_nets:fails", "RuntimeError: no such layer"),
        ("my_nets:infinite", "contains NaN or infinite values"),
        ("my_nets:number", "has no function 'number'"),
        ("my_nets:missing", "has no function 'missing'"),
        ("your_nets:build", "your_nets cannot be imported"),
    ],
)
def test_a_builder_that_returns_no_model_from_images_to_logits_is_refused(folder, builder, message):
    with pytest.raises(BuilderError) as caught:
        build_model("own", CustomModel(builder=builder), MANIFEST)
    assert builder in str(caught.value) and message in str(caught.value)


def test_the_error_for_unknown_options_lists_them(folder):
    with pytest.raises(BuilderError, match=r"options \{'depth': 3\}: TypeError"):
        build_model("own", CustomModel(builder="my_nets:softmax", options={"depth": 3}), MANIFEST)
