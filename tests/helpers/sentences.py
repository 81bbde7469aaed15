"""The report's sentences with ordinary spaces, as one types them in an assertion."""

from collections.abc import Iterable

import pandas as pd

from helpers import fake_results
from vitbench.config.schema import Config
from vitbench.report.summary import summarize

_SPACES = str.maketrans({"\N{NARROW NO-BREAK SPACE}": " ", "\N{NO-BREAK SPACE}": " "})


def plain(sentences: Iterable[str]) -> list[str]:
    return [sentence.translate(_SPACES) for sentence in sentences]


def summarize_tables(tables: dict[str, pd.DataFrame], config: Config, train_images: int | None = None) -> list[str]:
    return plain(summarize(tables, config, train_images))


def summarize_fake_results(config: Config | None = None, **options) -> list[str]:
    """The summary of made-up tables; `options` are those of `fake_results.make_tables`."""
    config = config or fake_results.make_config()
    return summarize_tables(fake_results.make_tables(config, **options), config)
