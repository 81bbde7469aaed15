"""The tables that show single images and classes: what was predicted, and what is taken for what."""

import pandas as pd
from markupsafe import Markup

from vitbench.config import Config
from vitbench.contents.rows import KEYS, condensed, contestants, named, position
from vitbench.evidence import Sample
from vitbench.numerals import number, percent, share
from vitbench.presentation import Html, table, thumbnail

MOST_CONFUSED = 5  # pairs of classes of each contestant


def samples_table(samples: list[Sample], config: Config) -> Html:
    """A row per test image: what it shows, and what each contestant takes it for, and how sure it is."""
    keys = dict.fromkeys(keys for sample in samples for keys in sample.predicted)
    keys = sorted(keys, key=lambda key: (position(*key[:2], config), key))
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
    return table(rows, caption, "samples", headers=2)


def _said(sample: Sample, keys: tuple) -> Markup:
    if keys not in sample.predicted:
        return Markup("–")
    name, probability = sample.predicted[keys]
    right = name == sample.class_name
    kind, mark = ("good", "✓") if right else ("bad", "✗")
    return Markup('<span class="badge {}">{}</span> {} ({})').format(kind, mark, name, share(probability))


def confusions_table(confusions: pd.DataFrame, config: Config) -> Html:
    """For each contestant, the classes that it most often takes for another."""
    rows = [
        {
            **named(keys),
            "Class": row.true_class,
            "Taken for": row.predicted_class,
            "Images": number(row.images),
            "Of the class": percent(row.share),
        }
        for keys, group in contestants(confusions, config)
        for row in group.head(MOST_CONFUSED).itertuples()
    ]
    caption = (
        "The mistakes that each contestant makes most often on the test images, over all its completed runs. The table "
        "to download has more."
    )
    return condensed(rows, caption, "confusions", numeric=("Images", "Of the class"))
