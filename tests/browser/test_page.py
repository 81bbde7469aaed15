"""The report can be read offline, on a phone, in the dark, on paper, by keyboard and by screen reader."""

import csv
import io
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from matplotlib.colors import to_rgb
from PIL import Image, ImageStat

from browser.conftest import SCRIPT
from vitbench.report.figures.style import COLOURS

pytestmark = pytest.mark.browser

WIDE, NARROW = 1400, 390
PAPER = round((210 - 32) / 25.4 * 96)  # CSS pixels between the margins of A4


@pytest.fixture(params=["benchmark", "comparison"])
def path(request):
    """Each of the two pages."""
    return request.getfixturevalue(request.param)


def expand_details(page):
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    return page


def test_the_page_requests_nothing_and_writes_no_messages(open_page, path):
    page = expand_details(open_page(path))
    page.wait_for_load_state("networkidle")
    assert page.requests[0] == path.as_uri()
    assert [url[:60] for url in page.requests[1:] if not url.startswith("data:")] == []
    assert page.messages == []


def test_text_from_outside_is_shown_as_text(open_page, path):
    page = open_page(path)
    assert page.evaluate("window.intruder") is None
    assert "<script>window.intruder = true<" in page.inner_text("h1")
    assert page.locator("script").count() == 1
    text = expand_details(page).inner_text("main")
    assert not re.search(r"<(p|div|span|td)\b", text), "the page's own markup is shown as text"


def test_an_injected_script_is_blocked_by_the_content_security_policy(open_page, path, tmp_path):
    tampered = tmp_path / "tampered.html"
    tampered.write_text(path.read_text().replace("</main>", f"{SCRIPT}</main>"))
    page = open_page(tampered)
    assert page.evaluate("window.intruder") is None
    assert any("Content Security Policy" in message for message in page.messages)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_page_fits_the_width_and_axe_reports_no_serious_violation(open_page, path, width, scheme):
    page = expand_details(open_page(path, width, scheme))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    serious = [
        (violation["id"], [node["html"][:120] for node in violation["nodes"]][:3])
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []


def brightness(page, selector: str) -> float:
    """The mean brightness of a screenshot of the first such element, 0–1."""
    screenshot = Image.open(io.BytesIO(page.locator(selector).first.screenshot())).convert("L")
    return ImageStat.Stat(screenshot).mean[0] / 255


def test_the_page_follows_the_colour_scheme_of_the_system(open_page, path):
    light, dark = open_page(path, scheme="light"), open_page(path, scheme="dark")
    for selector in ("main > p", "figure img", "table"):
        assert brightness(light, selector) > 0.8, selector
        assert brightness(dark, selector) < 0.25, selector


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_backends_are_marked_in_the_colours_of_the_figures(open_page, benchmark, scheme):
    marks = open_page(benchmark, scheme=scheme).evaluate(
        """Object.fromEntries([...document.querySelectorAll('.backend')].map(label => {
            const mark = getComputedStyle(label, '::before')
            return [label.textContent, [mark.content[1], mark.color]]
        }))"""
    )
    symbols = {backend: symbol for backend, (symbol, _) in marks.items()}
    assert symbols == {"jax": "●", "torch": "■", "tensorflow": "▲"}
    for backend, (_, colour) in marks.items():
        assert colour == "rgb({}, {}, {})".format(*(round(255 * channel) for channel in to_rgb(COLOURS[backend])))


def test_the_page_prints_on_white_with_nothing_cut_off(open_page, path):
    page = expand_details(open_page(path, PAPER, "dark"))
    page.emulate_media(media="print")
    assert brightness(page, "main > p") > 0.8
    assert brightness(page, "figure img") > 0.8
    assert not page.is_visible("nav")
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def column(page, table: str, heading: str) -> list[str]:
    """The texts of a column from top to bottom."""
    return page.evaluate(
        """([name, heading]) => {
            const table = document.getElementById(`table-${name}`).closest('table')
            const place = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent === heading)
            return [...table.tBodies[0].rows].map(row => row.cells[place].textContent)
        }""",
        [table, heading],
    )


def count_sorts(page):
    """Makes the page count how often a table was sorted, for `wait_for_sorts`."""
    page.evaluate("window.sorts = 0; document.addEventListener('sort-end', () => window.sorts += 1)")
    return page


def wait_for_sorts(page, n: int) -> None:
    page.wait_for_function("n => window.sorts === n", arg=n)


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_a_table_sorts_by_its_numbers(open_page, benchmark):
    page = count_sorts(open_page(benchmark))
    heading = page.locator("table:has(#table-throughput) thead button", has_text="Images/s")
    heading.click()
    wait_for_sorts(page, 1)
    assert page.locator("th[aria-sort=descending]").count() == 1
    falling = [number(text) for text in column(page, "throughput", "Images/s")]
    assert falling == sorted(falling, reverse=True) and len(set(falling)) > 3
    heading.click()
    wait_for_sorts(page, 2)
    assert page.locator("th[aria-sort=ascending]").count() == 1
    assert [number(text) for text in column(page, "throughput", "Images/s")] == sorted(falling)


def test_the_keyboard_sorts_a_table_and_missing_values_come_last(open_page, benchmark):
    page = count_sorts(open_page(benchmark))
    heading = page.locator("table:has(#table-results) thead button", has_text="Training images/s")
    for n in (1, 2):
        heading.focus()
        page.keyboard.press("Enter")
        wait_for_sorts(page, n)
        texts = column(page, "results", "Training images/s")
        assert "–" in texts and texts[-1] == "–" and texts[0] != "–"


def test_the_keyboard_reaches_the_contents_and_follows_a_link(open_page, path):
    page = open_page(path)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(3):
        page.keyboard.press("Tab")
    target = page.evaluate("document.activeElement.hash")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "id => Math.abs(document.querySelector(id).getBoundingClientRect().top) < 120", arg=target, timeout=5000
    )


def test_every_table_can_be_downloaded(open_page, troubled_results, benchmark):
    page = open_page(benchmark)
    links = page.locator(".downloads a")
    assert links.count() == len(list((troubled_results / "tables").glob("*.parquet")))
    with page.expect_download() as download:
        page.locator(".downloads a", has_text="runs.csv").click()
    rows = list(csv.DictReader(download.value.path().open()))
    assert download.value.suggested_filename == "runs.csv"
    assert {row["status"] for row in rows} == {"completed", "failed", "gated", "diverged"}


def test_every_failure_is_shown(open_page, benchmark):
    text = expand_details(open_page(benchmark)).inner_text("main")
    for words in ("failed", "gated", "diverged", "out_of_memory", "1 resumed", "a very long line without a place"):
        assert words in text, words
