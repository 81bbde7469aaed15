"""How tables, figures and sentences become accessible HTML in which all text from outside is escaped."""

import base64
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from PIL import Image

from vitbench.formatting import format_count, sort_key
from vitbench.report.figures.style import COLOURS, DARK, MARKERS, MUTED, OTHER_MARKER, FigureWithAlt
from vitbench.system.files import atomic_write

_GOOD, _NEUTRAL = ("completed", "passed", "chosen"), ("measured", "abandoned", "pruned")  # every other status is bad
_MARKER_SYMBOLS = {
    "o": "●",
    "s": "■",
    "^": "▲",
    "v": "▼",
    "<": "◀",
    ">": "▶",
    "D": "◆",
    "P": "✚",
    "X": "✖",
    "*": "★",
    "p": "⬟",
    "h": "⬢",
}
WIDE_COLUMNS = 9  # a table with more columns is printed in a smaller font


@dataclass(frozen=True)
class CaptionedFigure:
    """A figure of the report: a function of `vitbench.report.figures` with its arguments, and the caption below it."""

    function: Callable[..., FigureWithAlt]
    arguments: tuple
    caption: str

    def draw(self, narrow: bool = False) -> FigureWithAlt:
        return self.function(*self.arguments, narrow=narrow)


class Html(Markup):
    """HTML that a notebook displays as such and that is not escaped again."""

    def _repr_html_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<HTML, {len(self)} characters>"


def render_title(text: str) -> Html:
    return Html(f"<h1>{escape(text)}</h1>")


def render_lead(sentences: Iterable[str]) -> Html:
    """The answer: its first sentence in larger letters, the others as paragraphs below it."""
    first, *others = sentences
    return Html(f'<p class="lead">{escape(first)}</p>{render_paragraphs(others)}')


def render_paragraphs(sentences: Iterable[str]) -> Html:
    return Html("".join(f"<p>{escape(sentence)}</p>" for sentence in sentences))


def render_figure(figure: CaptionedFigure, file: Path | None = None) -> Html:
    """The figure in a wide and a narrow version, with its text alternative and caption.

    file: where the wide version is written as SVG, too.
    """
    (wide, alt), (narrow, _) = figure.draw(), figure.draw(narrow=True)
    width, height = _css_pixels(wide)
    narrow_width, narrow_height = _css_pixels(narrow)
    svg = to_svg(wide)
    if file is not None:
        with atomic_write(file) as path:
            path.write_text(svg)
    return Html(
        f'<figure><picture><source media="screen and (max-width: 640px)" srcset="{_data_uri(to_svg(narrow))}" '
        f'width="{narrow_width}" height="{narrow_height}"><img src="{_data_uri(svg)}" width="{width}" '
        f'height="{height}" alt="{escape(alt)}"></picture><figcaption>{escape(figure.caption)}</figcaption></figure>'
    )


def _css_pixels(figure: Figure) -> tuple[int, int]:
    width, height = figure.get_size_inches()
    return round(width * 96), round(height * 96)


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def to_svg(figure: Figure) -> str:
    """The figure as SVG. Its inks follow the reader's colour scheme."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "vitbench", "text.parse_math": False}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    rules = "".join(
        f'[style*="{property_}: {light}"]{{{property_}:{dark}!important}}'
        for light, dark in DARK.items()
        for property_ in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style></svg>"
    return style.join(buffer.getvalue().rsplit("</svg>", 1))


def thumbnail(image: np.ndarray, alt: str) -> Markup:
    """A uint8 (height, width, 3) image, stored at its own size and shown at 64 × 64 CSS pixels."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Markup('<img class="thumbnail" src="{}" width="64" height="64" alt="{}">').format(source, alt)


def render_table(rows: list[dict], caption: str, name: str, headers: int = 1, numeric: Iterable[str] = ()) -> Html:
    """An HTML table that sorts by its column headings and scrolls in a region that the keyboard can focus.

    rows: dicts of label → text or Markup, all with the same labels. name: unique in the page. headers: how many of the
    first cells head their row. numeric: labels of columns of numbers, which are aligned to the right.
    """
    if not rows:
        return Html(f'<p class="nothing">{escape(caption)} There is nothing to show.</p>')
    numbers = set(numeric)
    headings = "".join(
        f'<th scope="col"{_class(label in numbers)}>{_heading(label, len(rows))}</th>' for label in rows[0]
    )
    lines = []
    for row in rows:
        cells = [f'<th scope="row">{escape(value)}</th>' for value in list(row.values())[:headers]]
        for label, value in list(row.items())[headers:]:
            cells.append(f"<td{_cell_attributes(value, label in numbers)}>{escape(value)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    wide = " wide" if len(rows[0]) > WIDE_COLUMNS else ""
    return Html(
        f'<div class="scroll{wide}" role="region" aria-labelledby="table-{name}" tabindex="0">'
        f'<table class="sortable n-last"><caption id="table-{name}"><span>{escape(caption)}</span></caption>'
        f"<thead><tr>{headings}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _heading(label: str, rows: int) -> str:
    return f'<button type="button">{escape(label)}</button>' if rows > 1 else escape(label)


def _cell_attributes(value: str, is_number: bool) -> str:
    if not is_number:
        return _class(False, is_long=len(Markup(value).striptags()) > 30)
    key = sort_key(value)
    return f'{_class(True)} data-sort="{"" if key is None else key}"'


def _class(is_number: bool, is_long: bool = False) -> str:
    return ' class="number"' if is_number else ' class="long"' if is_long else ""


def badge(status: object) -> Markup:
    """A status as a word, which a colour repeats."""
    text = "unknown" if status is None or pd.isna(status) else str(status)
    kind = "good" if text in _GOOD else "neutral" if text in _NEUTRAL else "bad"
    return Markup('<span class="badge {}">{}</span>').format(kind, text)


def abbreviate(text: str, length: int = 120) -> Markup:
    """The text; if it is longer than `length`, its beginning, which opens to the whole text."""
    if len(text) <= length:
        return escape(text)
    return Markup("<details><summary>{}…</summary>{}</details>").format(text[:length].rstrip(), text)


def backend_label(name: str) -> Markup:
    """The name of a backend after its marker, as in the figures. `backend_css` draws the marker."""
    kind = name if name in COLOURS else "other"
    return Markup('<span class="backend {}">{}</span>').format(kind, name)


def backend_css() -> str:
    """The style rules of `backend_label`: every registered backend has the marker and the colour of the figures."""
    rules = [_marker_rule(name, MARKERS[name], colour) for name, colour in COLOURS.items()]
    rules.append(_marker_rule("other", OTHER_MARKER, MUTED))
    rules.append(f"@media screen and (prefers-color-scheme: dark){{.backend.other::before{{color:{DARK[MUTED]}}}}}")
    return "\n".join(rules)


def _marker_rule(name: str, marker: str, colour: str) -> str:
    symbol = _MARKER_SYMBOLS.get(marker, "◆")
    # Browsers that know the second form do not read the symbol out; others keep the first.
    return f'.backend.{name}::before{{content:"{symbol}";content:"{symbol}" / "";color:{colour}}}'


def render_downloads(tables: dict[str, pd.DataFrame]) -> Html:
    """Links that save each table as CSV. The links contain the data."""
    items = []
    for name, frame in tables.items():
        content = base64.b64encode(frame.to_csv(index=False).encode()).decode()
        source = f"data:text/csv;charset=utf-8;base64,{content}"
        link = f'<a download="{escape(name)}.csv" href="{source}">{escape(name)}.csv</a>'
        items.append(
            f"<li>{link}, {format_count(len(frame), 'row')}, {format_count(len(frame.columns), 'column')}</li>"
        )
    return Html(f'<ul class="downloads">{"".join(items)}</ul>')
