"""Floating-point operations per image, from the layers' own formulas: those of products and convolutions alone.

A multiplication and an addition are two operations. The rest (normalisation, softmax, augmentation, the optimiser) is
left out, as is the custom for model FLOPs utilisation (Chowdhery et al. 2022, arXiv:2204.02311, appendix B).
"""

import math
from collections.abc import Iterator

import keras
from keras import layers

_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.DepthwiseConv1D, layers.DepthwiseConv2D)


def flops_per_image(classifier: keras.Model) -> dict[str, float] | None:
    """FLOPs of one image in phase `train` and `infer`; None if a layer has a kernel and is not known here.

    The backward pass of a product costs one more for each of its operands that needs a gradient: for a kernel's layer
    two, but one for the first, since nobody asks for the gradient of the images; two between activations. A layer that
    is called several times counts once.
    """
    products = list(_products(classifier))
    if any(product is None for product in products):
        return None
    infer = sum(products)
    return {"train": 3.0 * infer - (products[0] if products else 0.0), "infer": float(infer)}


def _products(model: keras.Model) -> Iterator[float | None]:
    """FLOPs of the forward pass, layer by layer from the input on; None for a layer that is not known."""
    of_attention: set[int] = set()
    for layer in model._flatten_layers():
        if id(layer) in of_attention:
            continue
        if isinstance(layer, layers.MultiHeadAttention):
            of_attention |= {id(inner) for inner in layer._flatten_layers()}
            yield _attention(layer)
        elif isinstance(layer, layers.Dense):
            yield 2.0 * _size(layer.kernel) * math.prod(_input_shape(layer)[1:-1])
        elif isinstance(layer, _CONVOLUTIONS):
            places = layer.compute_output_shape(_input_shape(layer))
            channels_last = layer.data_format == "channels_last"
            yield 2.0 * _size(layer.kernel) * math.prod(places[1:-1] if channels_last else places[2:])
        elif _has_an_unknown_kernel(layer):
            yield None


def _attention(layer: layers.MultiHeadAttention) -> float:
    """The projections of queries, keys, values and result; queries times keys; weights times values."""
    shapes = layer.get_build_config()["shapes_dict"]
    (*_, query_width), (*_, value_width) = shapes["query_shape"], shapes["value_shape"]
    queries, values = (math.prod(shapes[name][1:-1]) for name in ("query_shape", "value_shape"))
    terms = queries * query_width + values * value_width + queries * values
    return 2.0 * layer.num_heads * (layer.key_dim + layer.value_dim) * terms


def _has_an_unknown_kernel(layer: layers.Layer) -> bool:
    if isinstance(layer, layers.Embedding) or any(inner is not layer for inner in layer._flatten_layers()):
        return False
    return any(len(weight.shape) > 1 for weight in layer.trainable_weights)


def _input_shape(layer: layers.Layer) -> tuple:
    return tuple(layer.get_build_config()["input_shape"])


def _size(kernel) -> int:
    return math.prod(kernel.shape)
