"""The section `dataset` of the config."""

from typing import Literal

from pydantic import Field, model_validator

from vitbench.config.base import Positive, Section, Slug


class Synthetic(Section):
    """The images of the source synthetic."""

    image_size: Positive = Field(default=32, le=1024, description="Height and width of an image, pixels.")
    classes: int = Field(default=100, ge=2, description="Number of classes.")
    train_images: int = Field(default=50_000, ge=2, description="Number of training images.")
    test_images: Positive = Field(default=10_000, description="Number of test images.")


class Dataset(Section):
    """Where the images come from."""

    source: Literal["keras", "parquet", "npz", "digits", "synthetic"] = Field(
        default="keras", description="Where the images come from; see docs/custom-models-and-data.md."
    )
    name: Slug = Field(
        default="cifar100", description="With source keras: cifar10 or cifar100. Otherwise a label for the tables."
    )
    path: str | None = Field(
        default=None,
        min_length=1,
        description="With source parquet: the folder of train*.parquet and test*.parquet. With npz: the file. Relative "
        "to the folder in which Snakemake runs.",
    )
    synthetic: Synthetic = Synthetic()
    subset: int | None = Field(
        default=None, ge=10, description="Use only this many training images, drawn evenly over the classes."
    )
    validation_fraction: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="Share of the training images, taken from the end, that is held out for validation.",
    )

    @model_validator(mode="after")
    def _check_source(self):
        if self.source == "keras" and self.name not in ("cifar10", "cifar100"):
            raise ValueError(f"name {self.name!r} is unknown to source 'keras', which has cifar10 and cifar100")
        if self.source in ("parquet", "npz") and self.path is None:
            kind = "folder of train*.parquet and test*.parquet" if self.source == "parquet" else ".npz file"
            raise ValueError(f"source {self.source!r} needs path, the {kind}")
        if self.source not in ("parquet", "npz") and self.path is not None:
            raise ValueError(f"path {self.path!r} is given, but source {self.source!r} reads no file")
        return self
