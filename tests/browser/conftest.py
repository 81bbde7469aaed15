"""A report made of made-up tables in which everything goes wrong once, and a real browser without a network."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from helpers import fake_results
from vitbench.results.paths import Results
from vitbench.steps import compare, report

SCRIPT = "<script>window.intruder = true</script>"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def troubled(tmp_path_factory) -> Path:
    """A results directory with runs that failed, diverged, were resumed, gated or never ran, and too large batches."""
    settings = fake_results.make_config(
        title=f"Made up {SCRIPT}", seeds=[0, 1, 2], throughput={"batch_sizes": [32, 64]}, precisions=["float32"]
    )
    root = fake_results.write_directory(
        tmp_path_factory.mktemp("results"),
        settings,
        class_name=SCRIPT,
        failed=[("torch", 1)],
        gated=["tensorflow"],
        too_large=[("torch", 64)],
    )
    path = root / "tables" / "runs.parquet"
    runs = pd.read_parquet(path)
    completed = runs.index[runs["status"] == "completed"]
    runs.loc[completed[0], "resumptions"] = 2
    runs.loc[completed[1], "status"] = "diverged"
    runs.to_parquet(path, index=False)
    lines = f"Traceback {SCRIPT}\n" + "a very long line without a place to break it at, " * 8 + "x" * 300
    row = {"step": "train", "names": "vit · torch · tuned · float32 · seed1", "status": "failed", "jobs": 1}
    row |= {"error": "MemoryError", "log": "train.log", "last_lines": lines}
    pd.DataFrame([row]).to_parquet(root / "tables" / "failures.parquet", index=False)
    return root


@pytest.fixture(scope="session")
def benchmark(troubled) -> Path:
    report.run(Results(troubled))
    return troubled / "report.html"


@pytest.fixture(scope="session")
def comparison(troubled, tmp_path_factory) -> Path:
    """Of an experiment with the troubled one; its name is a script, too."""
    settings = fake_results.make_config(seeds=[0, 1, 2], training={"epochs": 6}, throughput={"batch_sizes": [32, 64]})
    made = fake_results.write_directory(
        tmp_path_factory.mktemp("results"), settings, speeds=fake_results.SPEEDS | {"jax": 2000.0}
    )
    other = made.rename(made.with_name(SCRIPT.replace("/", "")))
    path = tmp_path_factory.mktemp("comparison") / "comparison.html"
    compare.run(troubled, other, path)
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser) -> Iterator[Callable[..., Page]]:
    """Opens a page of a file, without a network; what it asks for and says is in its attributes asked and said."""
    contexts = []

    def open_page(path: Path, width: int = 1400, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.asked, page.said = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("dialog", lambda dialog: page.said.append(dialog.message))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
