# pandas is untyped for pyright: what df[...] returns depends on its values, and the stubs that pyright brings answer with
# a union of everything that it might be, so that hardly any line on a table would pass.
from typing import Any

def __getattr__(name: str) -> Any: ...
