import pytest


@pytest.fixture(autouse=True)
def no_garbage_collection(monkeypatch):
    """statsmodels collects garbage at every correction of p-values. With a framework loaded, that takes 0.15 s."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)
