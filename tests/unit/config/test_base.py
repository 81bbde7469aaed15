import re

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from vitbench.config.base import Slug


@given(st.text(max_size=80))
def test_an_accepted_name_is_one_plain_path_component(name):
    try:
        TypeAdapter(Slug).validate_python(name)
    except ValidationError:
        return
    assert re.fullmatch(r"[A-Za-z0-9._-]+", name) and not name.startswith(".")
