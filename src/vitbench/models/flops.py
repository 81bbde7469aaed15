"""Floating-point operations per image, computed from the layers: matrix products and convolutions only.

A multiplication and an addition count as two operations. Normalisation, softmax, augmentation and the optimiser are
left out, as is usual for model FLOPs utilisation (Chowdhery et al. 2022, arXiv:2204.02311, appendix B).
"""

import math
from collections.abc import Iterator

import keras
from keras import layers

_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.DepthwiseConv1D, layers.DepthwiseConv2D)


def flops_per_image(classifier: keras.Model) -> dict[str, float] | None:
    """FLOPs for one image in phase `train` and `infer`; None if a layer with a kernel is not known here.

    The backward pass of a product needs one further product for each operand whose gradient is computed. For a layer
    with a kernel these are two, but only one for the first layer, since the gradient of the images is not computed. For
    a product of two activations they are two. A layer that is called several times counts once.
    """
    per_layer = list(_forward_flops(classifier))
    products = [flops for flops in per_layer if flops is not None]
    if len(products) < len(per_layer):
        return None
    infer = sum(products)
    return {"train": 3.0 * infer - (products[0] if products else 0.0), "infer": float(infer)}


def _forward_flops(model: keras.Model) -> Iterator[float | None]:
    """FLOPs of the forward pass of each layer, from the input on; None for a layer that is not known."""
    inside_attention: set[int] = set()
    for layer in model._flatten_layers():
        if id(layer) in inside_attention:
            continue
        if isinstance(layer, layers.MultiHeadAttention):
            inside_attention |= {id(inner) for inner in layer._flatten_layers()}
            yield _attention_flops(layer)
        elif isinstance(layer, layers.Dense):
            yield 2.0 * _size(layer.kernel) * math.prod(_input_shape(layer)[1:-1])
        elif isinstance(layer, _CONVOLUTIONS):
            shape = layer.compute_output_shape(_input_shape(layer))
            positions = shape[1:-1] if layer.data_format == "channels_last" else shape[2:]
            yield 2.0 * _size(layer.kernel) * math.prod(positions)
        elif _has_unknown_kernel(layer):
            yield None


def _attention_flops(layer: layers.MultiHeadAttention) -> float:
    """The projections of queries, keys, values and output; queries times keys; attention weights times values."""
    shapes = layer.get_build_config()["shapes_dict"]
    (*_, query_width), (*_, value_width) = shapes["query_shape"], shapes["value_shape"]
    queries, values = (math.prod(shapes[name][1:-1]) for name in ("query_shape", "value_shape"))
    terms = queries * query_width + values * value_width + queries * values
    return 2.0 * layer.num_heads * (layer.key_dim + layer.value_dim) * terms


def _has_unknown_kernel(layer: layers.Layer) -> bool:
    if isinstance(layer, layers.Embedding) or any(inner is not layer for inner in layer._flatten_layers()):
        return False
    return any(len(weight.shape) > 1 for weight in layer.trainable_weights)


def _input_shape(layer: layers.Layer) -> tuple:
    return tuple(layer.get_build_config()["input_shape"])


def _size(kernel) -> int:
    return math.prod(kernel.shape)
