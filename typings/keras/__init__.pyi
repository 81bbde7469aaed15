# Keras has hardly any annotations, and pyright would take the type of each default for the type of its argument: `verbose`
# for a str, a loss for None.
from typing import Any

def __getattr__(name: str) -> Any: ...
