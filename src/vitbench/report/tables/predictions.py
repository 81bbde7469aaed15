"""The tables that show single images and classes: what was predicted, and what is taken for what."""

import pandas as pd
from markupsafe import Markup

from vitbench.analysis.load import PredictedImage
from vitbench.config.schema import Config
from vitbench.formatting import format_number, format_percent, format_share
from vitbench.report.html import Html, render_table, thumbnail
from vitbench.report.tables.rows import (
    KEYS,
    condensed_table,
    configuration_cells,
    configuration_position,
    group_configurations,
)

MOST_CONFUSED = 5  # pairs of classes of each contestant


def samples_table(samples: list[PredictedImage], config: Config) -> Html:
    """A row per test image: what it shows, and what each contestant takes it for, and how sure it is."""
    keys = dict.fromkeys(keys for sample in samples for keys in sample.predicted)
    keys = sorted(keys, key=lambda key: (configuration_position(*key[:2], config), key))
    vary = [n for n in range(len(KEYS)) if len({key[n] for key in keys}) > 1] or [1]
    rows = [
        {
            "Image": thumbnail(sample.image, f"test image {n}"),
            "Class": sample.class_name,
            **{" · ".join(key[n] for n in vary): _said(sample, key) for key in keys},
        }
        for n, sample in enumerate(samples, start=1)
    ]
    caption = (
        "The first test images, and the likeliest class with its probability according to each contestant's first "
        "completed run. ✓ right, ✗ wrong."
    )
    return render_table(rows, caption, "samples", headers=2)


def _said(sample: PredictedImage, keys: tuple) -> Markup:
    if keys not in sample.predicted:
        return Markup("–")
    name, probability = sample.predicted[keys]
    right = name == sample.class_name
    kind, mark = ("good", "✓") if right else ("bad", "✗")
    return Markup('<span class="badge {}">{}</span> {} ({})').format(kind, mark, name, format_share(probability))


def confusions_table(confusions: pd.DataFrame, config: Config) -> Html:
    """For each contestant, the classes that it most often takes for another."""
    rows = [
        {
            **configuration_cells(keys),
            "Class": row.true_class,
            "Taken for": row.predicted_class,
            "Images": format_number(row.images),
            "Of the class": format_percent(row.share),
        }
        for keys, group in group_configurations(confusions, config)
        for row in group.head(MOST_CONFUSED).itertuples()
    ]
    caption = (
        "The mistakes that each contestant makes most often on the test images, over all its completed runs. The table "
        "to download has more."
    )
    return condensed_table(rows, caption, "confusions", numeric=("Images", "Of the class"))
