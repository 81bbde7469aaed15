"""vitbench: which Keras 3 backend should I use for this model, on this hardware, and what does each cost me?"""

from vitbench.system.times import PROCESS_STARTED

__all__ = ["PROCESS_STARTED"]
__version__ = "0.2.0"
