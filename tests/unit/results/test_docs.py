from pathlib import Path

from helpers.generated import unified_difference
from vitbench.results.docs import DESCRIPTIONS, columns_page
from vitbench.results.schema import COLUMNS, FIGURES, TABLES

REPOSITORY = Path(__file__).parents[3]


def test_the_column_reference_is_up_to_date():
    difference = unified_difference(REPOSITORY / "docs" / "columns.md", columns_page())
    assert not difference, f"run `make schema`:\n{difference}"


def test_every_table_is_described():
    assert list(DESCRIPTIONS) == list(TABLES)


def test_every_table_and_figure_has_a_caption_for_the_report_of_snakemake():
    captions = {path.stem for path in (REPOSITORY / "reports" / "captions").glob("*.rst")}
    assert captions == {"report", *(f"table-{name}" for name in COLUMNS), *(f"figure-{name}" for name in FIGURES)}
