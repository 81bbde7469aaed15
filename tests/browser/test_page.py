"""Whoever is sent a report can read it: offline, on a phone, in the dark, on paper, by keyboard and by ear."""

import csv
import io
import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from browser.conftest import SCRIPT

pytestmark = pytest.mark.browser

WIDE, NARROW = 1400, 390
PAPER = round((210 - 32) / 25.4 * 96)  # CSS pixels within the margins of A4


@pytest.fixture(params=["benchmark", "comparison"])
def path(request):
    return request.getfixturevalue(request.param)


def everything_open(page):
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    return page


def test_it_asks_for_nothing_and_says_nothing(opened, path):
    page = everything_open(opened(path))
    page.wait_for_load_state("networkidle")
    assert page.asked[0] == path.as_uri()
    assert [url[:60] for url in page.asked[1:] if not url.startswith("data:")] == []
    assert page.said == []


def test_what_comes_from_outside_is_text(opened, path):
    page = opened(path)
    assert page.evaluate("window.intruder") is None
    assert "<script>window.intruder = true<" in page.inner_text("h1")
    assert page.locator("script").count() == 1
    shown = everything_open(page).inner_text("main")
    assert not re.search(r"<(p|div|span|td)\b", shown), "markup of ours that is shown as text"


def test_a_script_that_crept_in_would_not_run(opened, path, tmp_path):
    tampered = tmp_path / "tampered.html"
    tampered.write_text(path.read_text().replace("</main>", f"{SCRIPT}</main>"))
    page = opened(tampered)
    assert page.evaluate("window.intruder") is None
    assert any("Content Security Policy" in said for said in page.said)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_nothing_has_to_be_scrolled_sideways(opened, path, width, scheme):
    page = everything_open(opened(path, width, scheme))
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_axe_finds_no_serious_fault(opened, path, width, scheme):
    page = everything_open(opened(path, width, scheme))
    found = Axe().run(page).response["violations"]
    serious = [
        (fault["id"], [node["html"][:120] for node in fault["nodes"]][:3])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []


def brightness(page, selector: str) -> float:
    """Of an element's screenshot, 0–1."""
    from PIL import Image, ImageStat

    shot = Image.open(io.BytesIO(page.locator(selector).first.screenshot())).convert("L")
    return ImageStat.Stat(shot).mean[0] / 255


def test_light_and_dark_follow_the_system(opened, path):
    light, dark = opened(path, scheme="light"), opened(path, scheme="dark")
    for selector in ("main > p", "figure img", "table"):
        assert brightness(light, selector) > 0.8, selector
        assert brightness(dark, selector) < 0.25, selector


def test_it_prints_on_white_with_nothing_cut_off(opened, path):
    page = everything_open(opened(path, PAPER, "dark"))
    page.emulate_media(media="print")
    assert brightness(page, "main > p") > 0.8
    assert brightness(page, "figure img") > 0.8
    assert not page.is_visible("nav")
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def column(page, table: str, head: str) -> list[str]:
    return page.evaluate(
        """([name, head]) => {
            const table = document.getElementById(`table-${name}`).closest('table')
            const place = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent === head)
            return [...table.tBodies[0].rows].map(row => row.cells[place].textContent)
        }""",
        [table, head],
    )


def counting_sorts(page):
    page.evaluate("window.sorts = 0; document.addEventListener('sort-end', () => window.sorts += 1)")
    return page


def wait_for_sorts(page, n: int) -> None:
    page.wait_for_function("n => window.sorts === n", arg=n)


def value(text: str) -> float:
    return float(text.replace("\N{NARROW NO-BREAK SPACE}", ""))


def test_tables_sort_by_the_number_that_is_shown(opened, benchmark):
    page = counting_sorts(opened(benchmark))
    head = page.locator("table:has(#table-throughput) thead button", has_text="Images/s")
    head.click()
    wait_for_sorts(page, 1)
    assert page.locator("th[aria-sort=descending]").count() == 1
    falling = [value(text) for text in column(page, "throughput", "Images/s")]
    assert falling == sorted(falling, reverse=True) and len(set(falling)) > 3
    head.click()
    wait_for_sorts(page, 2)
    assert page.locator("th[aria-sort=ascending]").count() == 1
    assert [value(text) for text in column(page, "throughput", "Images/s")] == sorted(falling)


def test_a_keyboard_sorts_too_and_what_is_not_known_comes_last(opened, benchmark):
    page = counting_sorts(opened(benchmark))
    head = page.locator("table:has(#table-results) thead button", has_text="Training images/s")
    for n in (1, 2):
        head.focus()
        page.keyboard.press("Enter")
        wait_for_sorts(page, n)
        shown = column(page, "results", "Training images/s")
        assert "–" in shown and shown[-1] == "–" and shown[0] != "–"


def test_the_contents_are_reached_by_keyboard(opened, path):
    page = opened(path)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(3):
        page.keyboard.press("Tab")
    target = page.evaluate("document.activeElement.hash")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "id => Math.abs(document.querySelector(id).getBoundingClientRect().top) < 120", arg=target, timeout=5000
    )


def test_the_tables_can_be_saved(opened, troubled, benchmark):
    page = opened(benchmark)
    links = page.locator(".downloads a")
    assert links.count() == len(list((troubled / "tables").glob("*.parquet")))
    with page.expect_download() as waited:
        page.locator(".downloads a", has_text="runs.csv").click()
    rows = list(csv.DictReader(waited.value.path().open()))
    assert waited.value.suggested_filename == "runs.csv"
    assert {row["status"] for row in rows} == {"completed", "failed", "gated", "diverged"}


def test_whatever_did_not_go_well_is_seen(opened, benchmark):
    text = everything_open(opened(benchmark)).inner_text("main")
    for word in ("failed", "gated", "diverged", "out_of_memory", "1 resumed", "a very long line without a place"):
        assert word in text, word
