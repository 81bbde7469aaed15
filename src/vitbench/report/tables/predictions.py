"""Tables of single test images with their predictions, and of the classes that are confused."""

import pandas as pd
from markupsafe import Markup

from vitbench.analysis.load import PredictedImage
from vitbench.config.schema import Config
from vitbench.formatting import MISSING, format_number, format_percent, format_share
from vitbench.report.html import Html, render_table, thumbnail
from vitbench.report.tables.rows import (
    KEYS,
    condensed_table,
    configuration_cells,
    configuration_position,
    group_configurations,
)

SHOWN_CONFUSIONS = 5  # pairs of classes of each configuration


def samples_table(samples: list[PredictedImage], config: Config) -> Html:
    """A row per test image: its class, and the class and probability that each configuration predicts."""
    keys = list(dict.fromkeys(keys for sample in samples for keys in sample.predicted))
    keys.sort(key=lambda key: (configuration_position(*key[:2], config), key))
    varying = [n for n in range(len(KEYS)) if len({key[n] for key in keys}) > 1] or [1]
    rows = [
        {
            "Image": thumbnail(sample.image, f"test image {n}"),
            "Class": sample.class_name,
            **{" · ".join(key[n] for n in varying): _format_prediction(sample, key) for key in keys},
        }
        for n, sample in enumerate(samples, start=1)
    ]
    caption = (
        "The first test images with the most probable class and its probability, as the first completed run of each "
        "configuration predicts them. ✓ right, ✗ wrong."
    )
    return render_table(rows, caption, "samples", headers=2)


def _format_prediction(sample: PredictedImage, keys: tuple) -> Markup:
    if keys not in sample.predicted:
        return Markup(MISSING)
    name, probability = sample.predicted[keys]
    kind, mark = ("good", "✓") if name == sample.class_name else ("bad", "✗")
    return Markup('<span class="badge {}">{}</span> {} ({})').format(kind, mark, name, format_share(probability))


def confusions_table(confusions: pd.DataFrame, config: Config) -> Html:
    """For each configuration, the classes that it confuses most often."""
    rows = [
        {
            **configuration_cells(keys),
            "Class": row.true_class,
            "Predicted as": row.predicted_class,
            "Images": format_number(row.images),
            "Share of class": format_percent(row.share),
        }
        for keys, group in group_configurations(confusions, config)
        for row in group.head(SHOWN_CONFUSIONS).itertuples()
    ]
    caption = (
        "The most frequent mistakes of each configuration on the test images, over all its completed runs. The "
        "downloadable table has more."
    )
    return condensed_table(rows, caption, "confusions", numeric=("Images", "Share of class"))
