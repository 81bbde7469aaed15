"""A report in which everything goes wrong once, a comparison with it, and a real browser without a network."""

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
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def troubled_results(tmp_path_factory) -> Path:
    """A results directory with runs that failed, diverged, were resumed, gated or ran out of memory."""
    config = fake_results.make_config(
        title=f"Made up {SCRIPT}", seeds=[0, 1, 2], throughput={"batch_sizes": [32, 64]}, precisions=["float32"]
    )
    root = fake_results.write_directory(
        tmp_path_factory.mktemp("results"),
        config,
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
    failure = {
        "step": "train",
        "names": "vit · torch · tuned · float32 · seed1",
        "status": "failed",
        "jobs": 1,
        "error": "MemoryError",
        "log": "train.log",
        "last_lines": f"Traceback {SCRIPT}\n" + "a very long line without a place to break it at, " * 8 + "x" * 300,
    }
    pd.DataFrame([failure]).to_parquet(root / "tables" / "failures.parquet", index=False)
    return root


@pytest.fixture(scope="session")
def benchmark(troubled_results) -> Path:
    """The report of the troubled experiment."""
    report.run(Results(troubled_results))
    return troubled_results / "report.html"


@pytest.fixture(scope="session")
def comparison(troubled_results, tmp_path_factory) -> Path:
    """The comparison of a sound experiment, whose name is a script, with the troubled one."""
    config = fake_results.make_config(seeds=[0, 1, 2], training={"epochs": 6}, throughput={"batch_sizes": [32, 64]})
    speeds = fake_results.SPEEDS | {"jax": 2000.0}
    folder = fake_results.write_directory(tmp_path_factory.mktemp("results"), config, speeds=speeds)
    sound = folder.rename(folder.with_name(SCRIPT.replace("/", "")))
    path = tmp_path_factory.mktemp("comparison") / "comparison.html"
    compare.run(troubled_results, sound, path)
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium: the system's, or playwright's own if there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser) -> Iterator[Callable[..., Page]]:
    """A function that opens a file as a page without a network.

    The page has two more attributes: `requests`, the addresses that it asked for, and `messages`, what it wrote to the
    console or showed in dialogs, with its errors.
    """
    contexts = []

    def open_page(path: Path, width: int = 1400, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        page.requests, page.messages = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.messages.append(message.text))
        page.on("pageerror", lambda error: page.messages.append(str(error)))
        page.on("dialog", lambda dialog: page.messages.append(dialog.message))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
