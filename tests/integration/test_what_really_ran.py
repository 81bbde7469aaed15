"""The audit tells what was executed, and what was not executed as planned is refused, on every backend."""

import json

import pytest

from helpers.backend_processes import BACKENDS, on_every_backend

MODULE = "integration.audit_worker"
SCENARIOS = ("compiled_or_not", "as_published", "overruled_and_not", "changed_while_timed", "elsewhere")
OFF = {"JAX_DISABLE_JIT": "1", "TORCHDYNAMO_DISABLE": "1"}  # TensorFlow's has no variable


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("audit")
    on_every_backend(MODULE, str(folder), *SCENARIOS)
    on_every_backend(MODULE, str(folder), "switched_off", variables=OFF)
    found = {}
    for backend in BACKENDS:
        paths = (folder / f"{backend}-{first}.json" for first in (SCENARIOS[0], "switched_off"))
        found[backend] = {key: value for path in paths for key, value in json.loads(path.read_text()).items()}
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_is_compiled_where_the_plan_says_so_and_only_there(found, backend):
    for jit, of_plan in found[backend]["compiled_or_not"].items():
        assert of_plan["refused"] is None
        assert of_plan["audit"]["jit_compile_resolved"] is of_plan["audit"]["jit_compile_effective"] is (jit == "True")
        assert of_plan["audit"]["layers_without_jit"] == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_audit_of_the_published_execution(found, backend):
    audit = found[backend]["as_published"]["audit"]
    assert audit["backend"] == backend
    assert audit["layers_without_jit"] == ["rotation", "zoom"]
    assert audit["jit_compile_effective"] is False  # because of these
    assert audit["attention"] == "einsum and softmax"
    assert found[backend]["as_published"]["without dropout"]["attention"] == "dot_product_attention"
    assert audit["weights_on"] == audit["device"]["type"] == "cpu"
    assert audit["tf32_effective"] is False and audit["matmul_precision"] in ("highest", "float32")
    assert audit["dtype_policy"] == "float32" and audit["threads"] >= 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_plan_leaves_no_trace_in_the_parts(found, backend):
    assert found[backend]["overruled_and_not"] == {"True": True, "auto": False}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_that_should_have_been_compiled_and_was_not_is_refused(found, backend):
    refused = found[backend]["switched_off"]["refused"]
    assert f"the plan compiles the step, but {backend} ran it without compiling it" in refused
    for variable, of_backend in (("JAX_DISABLE_JIT=1", "jax"), ("TORCHDYNAMO_DISABLE=1", "torch")):
        assert backend != of_backend or variable in refused
    audit = found[backend]["switched_off"]["audit"]
    assert audit["jit_compile_resolved"] is True and audit["jit_compile_effective"] is False


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_compiled_while_it_is_timed_is_refused(found, backend):
    found = found[backend]["changed_while_timed"]
    assert found["changes: False"] is None
    if backend == "torch":  # runs without a compiler
        assert found["changes: True"] is None
    else:
        assert f"{backend} compiled again" in found["changes: True"]
        assert "in the timed training steps: the timed steps are not a steady state" in found["changes: True"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_that_are_not_on_the_device_are_refused(found, backend):
    assert found[backend]["elsewhere"]["refused"] == (
        f"{backend} should compute on the gpu, but the weights are on: cpu"
    )
