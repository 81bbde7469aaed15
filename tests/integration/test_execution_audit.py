"""The audit reports what was executed, and refuses what was not executed as planned."""

import pytest

from helpers.backend_processes import BACKENDS, BackendProcesses
from integration.results import AuditedStep
from vitbench.system.environment import usable_cores

WORKER = "integration.workers.execution_audit"
COMPILER_OFF = {"JAX_DISABLE_JIT": "1", "TORCHDYNAMO_DISABLE": "1"}  # TensorFlow has no such variable


@pytest.fixture(scope="module")
def audits(backend_processes) -> dict[str, dict[bool, AuditedStep]]:
    return backend_processes.call_each(f"{WORKER}:audit_compiled_and_plain_steps")


@pytest.fixture(scope="module")
def audits_without_compiler() -> dict[str, AuditedStep]:
    with BackendProcesses(COMPILER_OFF) as processes:
        return processes.call_each(f"{WORKER}:run_with_the_compiler_off")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_is_compiled_if_and_only_if_the_plan_says_so(audits, backend):
    assert audits[backend].keys() == ({False} if backend == "torch" else {False, True})
    for jit_compile, step in audits[backend].items():
        assert step.error is None
        assert step.audit["jit_compile_resolved"] is step.audit["jit_compile_effective"] is jit_compile
        assert step.audit["layers_without_jit"] == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_audit_of_the_published_execution(backend_processes, backend):
    audits = backend_processes.call(backend, f"{WORKER}:audit_published")
    audit = audits["augmented"]
    assert audit["backend"] == backend
    assert audit["layers_without_jit"] == ["rotation", "zoom"]
    assert audit["jit_compile_effective"] is False  # because of these layers
    assert audit["attention"] == "einsum and softmax"
    assert audits["without attention dropout"]["attention"] == "dot_product_attention"
    assert audit["weights_on"] == audit["device"]["type"] == "cpu"
    assert audit["tf32_effective"] is False and audit["matmul_precision"] in ("highest", "float32")
    assert audit["dtype_policy"] == "float32" and audit["threads"] == len(usable_cores())


@pytest.mark.skipif("torch" not in BACKENDS, reason="torch is not installed")
def test_the_audit_reads_the_precision_by_whichever_interface_of_torch_it_was_set():
    with BackendProcesses() as processes:  # the two interfaces cannot be mixed in one process
        settings = processes.call("torch", f"{WORKER}:read_tf32_settings")
    assert settings == [("highest", False), ("high", True), ("highest", True), ("highest", True), ("highest", False)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_plan_leaves_no_trace_in_the_parts(backend_processes, backend):
    assert backend_processes.call(backend, f"{WORKER}:assemble_twice") == [True, False]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_planned_compilation_that_did_not_happen_is_refused(audits_without_compiler, backend):
    step = audits_without_compiler[backend]
    assert f"the plan compiles the step, but {backend} ran it without compiling it" in step.error
    variables = {"jax": "JAX_DISABLE_JIT=1", "torch": "TORCHDYNAMO_DISABLE=1"}
    assert variables.get(backend, "") in step.error
    assert step.audit["jit_compile_resolved"] is True and step.audit["jit_compile_effective"] is False


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_compilation_during_timed_steps_is_refused(backend_processes, backend):
    assert backend_processes.call(backend, f"{WORKER}:time_steps", False) is None
    error = backend_processes.call(backend, f"{WORKER}:time_steps", True)
    if backend == "torch":  # runs without a compiler here
        assert error is None
    else:
        assert f"{backend} compiled again" in error
        assert "in the timed training steps: the timed steps are not a steady state" in error


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_that_are_not_on_the_device_are_refused(backend_processes, backend):
    error = backend_processes.call(backend, f"{WORKER}:check_weights_beside_a_gpu")
    assert error == f"{backend} should compute on the gpu, but the weights are on: cpu"
