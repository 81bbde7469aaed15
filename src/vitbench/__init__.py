"""vitbench: which Keras 3 backend should I use for this model, on this hardware, and what does each cost me?"""

import time

__version__ = "0.1.0"

# When this process began, seconds since 1970: the first thing that it does is to import this.
PROCESS_BEGAN = time.time()
