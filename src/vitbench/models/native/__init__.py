"""The Vision Transformer without Keras, once in plain JAX and once in plain PyTorch."""
