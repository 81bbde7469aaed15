import keras
import pytest
from keras import layers

from vitbench.models.flops import flops_per_image


def build(*stack) -> keras.Model:
    return keras.Sequential(list(stack))


def test_a_dense_layer_counts_a_multiplication_and_an_addition_per_weight():
    flops = flops_per_image(build(keras.Input((10,)), layers.Dense(4), layers.Dense(3)))
    first, second = 2 * 10 * 4, 2 * 4 * 3
    assert flops["infer"] == first + second
    assert flops["train"] == 2 * first + 3 * second  # the gradient of the images is not computed


def test_a_dense_layer_is_applied_to_every_token():
    assert flops_per_image(build(keras.Input((7, 10)), layers.Dense(4)))["infer"] == 7 * 2 * 10 * 4


@pytest.mark.parametrize(("padding", "positions"), [("same", 8 * 8), ("valid", 6 * 6)])
def test_a_convolution_is_counted_at_each_output_position(padding, positions):
    flops = flops_per_image(build(keras.Input((8, 8, 3)), layers.Conv2D(5, 3, padding=padding)))
    assert flops["infer"] == positions * 2 * (3 * 3 * 3 * 5)


def test_attention_counts_projections_and_both_products():
    tokens = keras.Input((6, 8))
    model = keras.Model(tokens, layers.MultiHeadAttention(num_heads=2, key_dim=4)(tokens, tokens))
    projections = 4 * 6 * 2 * 8 * (2 * 4)
    products = 2 * (2 * 2 * 6 * 6 * 4)
    assert flops_per_image(model)["infer"] == projections + products


def test_layers_without_a_product_count_nothing():
    stack = [layers.LayerNormalization(), layers.Dropout(0.1), layers.Activation("gelu"), layers.Embedding(5, 2)]
    assert flops_per_image(build(keras.Input((4,)), *stack)) == {"train": 0, "infer": 0}


def test_a_model_with_an_unknown_kernel_has_no_count():
    assert flops_per_image(build(keras.Input((8, 4)), layers.LSTM(3))) is None
