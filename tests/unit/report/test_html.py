"""HTML is escaped, sortable, and marks every registered backend."""

import re

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from vitbench.backends.registry import BACKENDS
from vitbench.report import html
from vitbench.report.figures.style import COLOURS, empty_figure

SCRIPT = "<script>alert(1)</script>"


def test_every_registered_backend_has_a_mark_in_its_colour():
    css = html.backend_css()
    symbols = set()
    for backend in BACKENDS:
        (rule,) = re.findall(rf"\.backend\.{backend}::before{{(.*)}}", css)
        assert f"color:{COLOURS[backend]}" in rule
        symbols |= set(re.findall(r'content:"(.)"', rule))
        assert f'class="backend {backend}"' in html.backend_label(backend)
    assert len(symbols) == len(BACKENDS)


def test_an_unknown_backend_has_the_mark_of_others_and_its_name_is_escaped():
    label = html.backend_label(SCRIPT)
    assert 'class="backend other"' in label and SCRIPT not in label
    assert ".backend.other::before" in html.backend_css()


@pytest.mark.parametrize(
    ("status", "kind"), [("completed", "good"), ("measured", "neutral"), ("diverged", "bad"), (None, "bad")]
)
def test_a_status_is_a_word_and_a_colour(status, kind):
    assert html.badge(status) == f'<span class="badge {kind}">{status or "unknown"}</span>'


def test_a_long_text_opens_from_its_beginning():
    assert html.abbreviate("short & sweet") == "short &amp; sweet"
    opened = html.abbreviate("a" * 200)
    assert f"<summary>{'a' * 120}…</summary>{'a' * 200}" in opened


def test_cells_captions_and_headings_are_escaped_unless_they_are_markup():
    rows = [{"Name": SCRIPT, SCRIPT: Markup("<b>kept</b>")}]
    table = html.render_table(rows, SCRIPT, "x")
    assert SCRIPT not in table and "<b>kept</b>" in table
    for text in (html.render_title(SCRIPT), html.render_lead([SCRIPT, SCRIPT])):
        assert SCRIPT not in text


def test_numbers_sort_by_their_value_and_missing_ones_have_no_key():
    table = html.render_table([{"Name": "a", "n": "1,234"}, {"Name": "b", "n": "–"}], "Caption.", "x", numeric=["n"])
    assert '<td class="number" data-sort="1234.0">1,234</td>' in table
    assert '<td class="number" data-sort="">–</td>' in table
    assert table.count("<button") == 2


def test_a_table_of_one_row_has_nothing_to_sort_and_one_of_none_says_so():
    assert "<button" not in html.render_table([{"Name": "a"}], "Caption.", "x")
    assert html.render_table([], "Caption.", "x") == '<p class="nothing">Caption. There is nothing to show.</p>'


def test_a_table_of_many_columns_is_marked_as_wide():
    columns = {f"c{n}": "" for n in range(html.WIDE_COLUMNS)}
    assert 'class="scroll"' in html.render_table([columns], "Caption.", "x")
    assert 'class="scroll wide"' in html.render_table([columns | {"more": ""}], "Caption.", "x")


def test_an_svg_is_the_same_every_time_and_follows_the_colour_scheme():
    first, second = (html.to_svg(empty_figure("Nothing to draw.", False)[0]) for _ in range(2))
    assert first == second
    assert "@media (prefers-color-scheme: dark)" in first and first.rstrip().endswith("</svg>")


def test_a_thumbnail_is_an_embedded_png_with_a_text_alternative():
    image = html.thumbnail(np.zeros((8, 8, 3), np.uint8), '"quoted"')
    assert 'src="data:image/png;base64,' in image and "&#34;quoted&#34;" in image


def test_a_download_states_how_many_rows_it_has():
    links = html.render_downloads({"epochs": pd.DataFrame({"a": range(6000)})})
    assert 'download="epochs.csv"' in links and "6,000 rows, 1 column<" in links
