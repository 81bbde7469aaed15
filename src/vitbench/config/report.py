"""The sections `statistics` and `report` of the config."""

from pydantic import Field

from vitbench.config.base import Section


class Statistics(Section):
    """How accuracies and speeds are compared."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Coverage of the intervals.")
    equivalence_margin: float = Field(
        default=0.01, gt=0, lt=1, description="Accuracies that differ by less than this are equivalent."
    )
    speed_margin: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Speeds that differ by less than this share of the slower one are equivalent.",
    )


class Report(Section):
    """What the report shows."""

    title: str = Field(default="vitbench", min_length=1, max_length=200, description="Heading of the report.")
    target_accuracy: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Validation accuracy for which the report states the time to reach it; null: the highest whole "
        "percent that every completed run of a model reaches.",
    )
