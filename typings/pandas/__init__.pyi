# What df[...] returns depends on its values. The stubs that pyright brings answer with a union of everything that it might
# be, so that hardly any line about a table would pass.
from typing import Any

def __getattr__(name: str) -> Any: ...
