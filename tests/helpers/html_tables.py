"""Reads the tables of a report back from their HTML."""

from bs4 import BeautifulSoup  # nbconvert requires it


def read_rows(html: str) -> list[dict[str, str]]:
    """The rows of the first table in `html`, heading → text."""
    table = BeautifulSoup(html, "html.parser").table
    headings = [cell.get_text().replace("\N{NO-BREAK SPACE}", " ") for cell in table.thead.find_all("th")]
    rows = [row.find_all(["th", "td"]) for row in table.tbody.find_all("tr")]
    return [dict(zip(headings, (cell.get_text() for cell in row), strict=True)) for row in rows]


def read_caption(html: str) -> str:
    """The caption of the first table in `html`."""
    return BeautifulSoup(html, "html.parser").caption.get_text()
