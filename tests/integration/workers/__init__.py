"""Functions that helpers.backend_processes calls in the process of each backend. They may import Keras at the top."""
