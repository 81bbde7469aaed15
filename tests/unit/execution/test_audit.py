import keras
import pytest

from helpers.fake_backend import FakeBackend
from vitbench.execution import audit
from vitbench.execution.audit import CompilationWatch, NotAsPlannedError, audit_model, audit_process, check_execution


@pytest.fixture
def backend(monkeypatch) -> FakeBackend:
    backend = FakeBackend()
    backend.compiler_switches = ("NO_COMPILER",)
    monkeypatch.setattr(audit, "current_backend", lambda: backend)
    return backend


def build_model(**options) -> keras.Model:
    tokens = keras.Input((4, 8))
    model = keras.Model(tokens, keras.layers.MultiHeadAttention(2, 4, **options)(tokens, tokens))
    model.compile(jit_compile=True)
    model.layers_without_jit = ("zoom",)
    return model


def test_the_audit_reports_what_the_backend_says(backend):
    report = audit_process()
    assert (report["backend"], report["matmul_precision"], report["compilations"]) == ("fake", "exact", 0)
    assert report["device"] == {"type": "cpu", "name": None} and report["dtype_policy"] == "float32"
    assert report["keras_version"] == keras.__version__


@pytest.mark.parametrize(("dropout", "path"), [(0.0, "dot_product_attention"), (0.1, "einsum and softmax")])
def test_the_audit_reports_how_attention_is_computed(backend, dropout, path):
    report = audit_model(build_model(dropout=dropout))
    assert report["attention"] == path
    assert report["layers_without_jit"] == ["zoom"] and report["weights_on"] == "cpu"
    assert report["jit_compile_resolved"] is report["jit_compile_effective"] is True


def test_a_step_that_was_compiled_on_the_device_passes(backend):
    check_execution(build_model())


def test_a_step_that_was_not_compiled_is_refused_and_the_switch_is_named(backend, monkeypatch):
    monkeypatch.setattr(backend, "has_compiled_steps", lambda model: False)
    model = build_model()
    with pytest.raises(NotAsPlannedError, match=r"fake ran it without compiling it$"):
        check_execution(model)
    monkeypatch.setenv("NO_COMPILER", "1")
    with pytest.raises(NotAsPlannedError, match=r"without compiling it \(NO_COMPILER=1 is set\)"):
        check_execution(model)
    assert audit_model(model)["jit_compile_effective"] is False


def test_weights_that_are_not_on_the_device_are_refused(backend, monkeypatch):
    monkeypatch.setattr(backend, "device", lambda: {"type": "gpu", "name": "a GPU"})
    with pytest.raises(NotAsPlannedError, match="should compute on the gpu, but the weights are on: cpu"):
        check_execution(build_model())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train_step"], r"fake compiled again, once \(train_step\), in the timed steps: the timed steps are not"),
        (["f", "g", "f"], r"fake compiled again, 3 times \(f, g\), in the timed steps"),
    ],
)
def test_a_compilation_while_steps_are_timed_is_refused(backend, monkeypatch, names, message):
    compiled = ["before"]
    monkeypatch.setattr(backend, "compilations", lambda: len(compiled))
    monkeypatch.setattr(backend, "compiled_names", lambda: list(compiled))
    watch = CompilationWatch()
    watch.check("in the timed steps")
    compiled += names
    assert watch.count() == len(names)
    with pytest.raises(NotAsPlannedError, match=message):
        watch.check("in the timed steps")
