"""vitbench: which Keras 3 backend should I use for this model, on this hardware, and what does each cost me?"""

__version__ = "0.1.0"
