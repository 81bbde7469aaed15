"""The Vision Transformer without Keras, in plain JAX, plain PyTorch and plain TensorFlow."""
