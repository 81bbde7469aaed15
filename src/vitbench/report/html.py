"""How tables, figures and sentences become HTML that is accessible and in which every word from outside is escaped."""

import base64
import io
from collections.abc import Callable, Iterable
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from PIL import Image

from vitbench.formatting import sort_key
from vitbench.report.figures.style import COLOURS, INK, MUTED, PAPER, RULE, Drawn

# Inks of the figures and what they become for a reader who prefers dark.
_DARK = {PAPER: "#1c1f24", INK: "#e8eaed", MUTED: "#a7b0bb", RULE: "#3a3f47"}
_GOOD, _PLAIN = ("completed", "passed", "chosen"), ("measured", "abandoned", "pruned")
MOST_COLUMNS = 9  # a table with more is printed smaller


class Figure(NamedTuple):
    """What a function of vitbench.figures draws of `arguments`, and what stands below it."""

    draw: Callable[..., Drawn]
    arguments: tuple
    caption: str

    def drawn(self, narrow: bool = False) -> Drawn:
        return self.draw(*self.arguments, narrow=narrow)


class Html(Markup):
    """HTML that a notebook shows as such, and that is not escaped again."""

    def _repr_html_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<HTML, {len(self)} characters>"


def render_title(text: str) -> Html:
    return Html(f"<h1>{escape(text)}</h1>")


def render_lead(sentences: Iterable[str]) -> Html:
    """The answer: its first sentence larger than the prose, what it rests on below."""
    first, *others = sentences
    return Html(f'<p class="lead">{escape(first)}</p>{render_paragraphs(others)}')


def render_paragraphs(sentences: Iterable[str]) -> Html:
    return Html("".join(f"<p>{escape(sentence)}</p>" for sentence in sentences))


def render_figure(picture: Figure) -> Html:
    """The picture, wide and for narrow screens, with its text alternative and a caption."""
    (wide, alt), (narrow, _) = picture.drawn(), picture.drawn(narrow=True)
    width, height = (round(inches * 96) for inches in wide.get_size_inches())
    small_width, small_height = (round(inches * 96) for inches in narrow.get_size_inches())
    return Html(
        f'<figure><picture><source media="screen and (max-width: 640px)" srcset="{_uri(narrow)}" '
        f'width="{small_width}" height="{small_height}"><img src="{_uri(wide)}" width="{width}" height="{height}" '
        f'alt="{escape(alt)}"></picture><figcaption>{escape(picture.caption)}</figcaption></figure>'
    )


def _uri(drawn) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(to_svg(drawn).encode()).decode()


def to_svg(drawn) -> str:
    """The figure as SVG, whose inks follow the reader's colour scheme."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "vitbench", "text.parse_math": False}):
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in _DARK.items()
        for what in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style></svg>"
    return style.join(buffer.getvalue().rsplit("</svg>", 1))


def thumbnail(image: np.ndarray, alt: str) -> Markup:
    """A uint8 (height, width, 3) image, as small as it is."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return Markup('<img class="thumbnail" src="{}" width="64" height="64" alt="{}">').format(source, alt)


def render_table(rows: list[dict], caption: str, name: str, headers: int = 1, numeric: Iterable[str] = ()) -> Html:
    """An HTML table of `rows`, label → text or Markup, of which the first `headers` cells head their row.

    It scrolls in a container of its own, which takes the keyboard's focus, and its columns' heads sort it. `name` is
    unique in the page.
    """
    if not rows:
        return Html(f'<p class="nothing">{escape(caption)} There is nothing to show.</p>')
    right = set(numeric)
    heads = "".join(f'<th scope="col"{_class(label in right)}>{_head(label, len(rows))}</th>' for label in rows[0])
    lines = []
    for row in rows:
        cells = [f'<th scope="row">{escape(value)}</th>' for value in list(row.values())[:headers]]
        for label, value in list(row.items())[headers:]:
            cells.append(f"<td{_cell(value, label in right)}>{escape(value)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    wide = " wide" if len(rows[0]) > MOST_COLUMNS else ""
    return Html(
        f'<div class="scroll{wide}" role="region" aria-labelledby="table-{name}" tabindex="0">'
        f'<table class="sortable n-last"><caption id="table-{name}"><span>{escape(caption)}</span></caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _head(label: str, rows: int) -> str:
    return f'<button type="button">{escape(label)}</button>' if rows > 1 else escape(label)


def _cell(value: str, number: bool) -> str:
    if not number:
        return _class(False, len(Markup(value).striptags()) > 30)
    key = sort_key(value)
    return f'{_class(True)} data-sort="{"" if key is None else key}"'


def _class(number: bool, long: bool = False) -> str:
    return ' class="number"' if number else ' class="long"' if long else ""


def badge(status: object) -> Markup:
    """A status in words, coloured beside that."""
    text = "unknown" if status is None or pd.isna(status) else str(status)
    kind = "good" if text in _GOOD else "plain" if text in _PLAIN else "bad"
    return Markup('<span class="badge {}">{}</span>').format(kind, text)


def abbreviate(text: str, length: int = 120) -> Markup:
    """The text; of a long one its beginning, which opens to the whole."""
    if len(text) <= length:
        return escape(text)
    return Markup("<details><summary>{}…</summary>{}</details>").format(text[:length].rstrip(), text)


def backend_label(name: str) -> Markup:
    """A backend's name with its marker in its colour, as in the figures."""
    known = name if name in COLOURS else "other"
    return Markup('<span class="backend {}">{}</span>').format(known, name)


def render_downloads(tables: dict[str, pd.DataFrame]) -> Html:
    """Links that save each table as CSV; the content is in the link."""
    items = []
    for name, frame in tables.items():
        content = base64.b64encode(frame.to_csv(index=False).encode()).decode()
        source = f"data:text/csv;charset=utf-8;base64,{content}"
        link = f'<a download="{escape(name)}.csv" href="{source}">{escape(name)}.csv</a>'
        items.append(f"<li>{link}, {len(frame)} rows, {len(frame.columns)} columns</li>")
    return Html(f'<ul class="downloads">{"".join(items)}</ul>')
