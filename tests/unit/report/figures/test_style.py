"""Every backend has a colour and a marker of its own, legible on both papers."""

import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from vitbench.backends.registry import BACKENDS
from vitbench.report.figures import style


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("paper", [style.PAPER, style.DARK[style.PAPER]], ids=["light", "dark"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_colour_of_a_backend_has_enough_contrast_for_graphics(backend, paper):
    assert contrast(style.COLOURS[backend], paper) >= 3  # WCAG 2.2, success criterion 1.4.11


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_enough_contrast(dark):
    def shown(colour: str) -> str:
        return style.DARK[colour] if dark else colour

    assert contrast(shown(style.INK), shown(style.PAPER)) >= 7
    assert contrast(shown(style.MUTED), shown(style.PAPER)) >= 4.5  # criterion 1.4.3


def test_no_two_backends_share_a_colour_or_a_marker():
    assert len(set(style.COLOURS.values())) == len(set(style.MARKERS.values())) == len(BACKENDS)
    assert style.OTHER_MARKER not in style.MARKERS.values()


def test_backends_are_ordered_as_registered_and_unknown_ones_come_last():
    column = pd.Series(["zeta", "torch", None, "jax", "torch"])
    assert style.order_backends(column) == ["jax", "torch", "zeta"]
    assert style.backend_style("zeta") == {"color": style.MUTED, "marker": style.OTHER_MARKER}


def test_a_panel_is_named_after_the_model_and_the_keys_that_vary():
    frame = pd.DataFrame({"model": ["vit", "vit"], "execution": ["tuned", "native"], "precision": ["float32"] * 2})
    assert [title for title, _ in style.group_panels(frame)] == ["vit · tuned", "vit · native"]
    assert [title for title, _ in style.group_panels(frame, ["model", "precision"])] == ["vit"]


@pytest.mark.parametrize(
    ("value", "label"),
    [(0, "0"), (2.5, "2.5"), (0.30000000000000004, "0.3"), (1234, "1,234"), (2_000_000, "2,000,000")],
)
def test_thousands_on_an_axis_have_a_comma(value, label):
    axes = style.new_figure(False, 1).subplots()
    style.format_ticks(axes, "x")
    assert axes.xaxis.get_major_formatter()(value, 0) == label
