"""The section `models` of the config: the parameters of the built-in models and of custom models."""

import difflib
from typing import Literal

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from vitbench.config.base import Positive, Rate, Section, Slug


class Augmentation(Section):
    """Random changes of each training image, different in each epoch; `null` turns all of them off."""

    horizontal_flip: bool = Field(default=True, description="Flip left to right with probability 1/2.")
    rotation: Rate = Field(
        default=0.02, description="Largest angle as a share of a full turn; uniform between minus and plus this."
    )
    zoom: Rate = Field(
        default=0.2,
        description="Largest zoom as a share of height and width, each uniform between minus and plus this.",
    )


class ImageModel(Section):
    """What the built-in models have in common: how images are resized and augmented."""

    image_size: int = Field(
        default=72, ge=8, le=1024, description="Height and width to which images are resized, pixels."
    )
    augmentation: Augmentation | None = Field(default=Augmentation(), description="Augmentation, or null for none.")


class ViT(ImageModel):
    """The Vision Transformer. Every default is that of the Keras example."""

    patch_size: Positive = Field(default=6, description="Height and width of a patch, pixels; must divide image_size.")
    projection_dim: Positive = Field(default=64, description="Width of the tokens.")
    num_heads: Positive = Field(default=4, description="Number of attention heads.")
    key_dim: Positive | Literal["split"] | None = Field(
        default=None,
        description="Width of each attention head; null: projection_dim, as in the example; split: projection_dim / "
        "num_heads, as in the ViT paper.",
    )
    layers: Positive = Field(default=8, description="Number of transformer blocks.")
    block_units: list[Positive] = Field(
        default=[128, 64], min_length=1, description="Widths of the MLP in each block; the last is projection_dim."
    )
    head_units: list[Positive] = Field(default=[2048, 1024], description="Widths of the MLP before the logits.")
    attention_dropout: Rate = Field(default=0.1, description="Dropout of the attention weights.")
    mlp_dropout: Rate = Field(default=0.1, description="Dropout in the MLP of each block.")
    head_dropout: Rate = Field(default=0.5, description="Dropout before and in the MLP of the head.")
    epsilon: float = Field(default=1e-6, gt=0, description="Added to the variance in LayerNormalization.")
    pooling: Literal["flatten", "average"] = Field(
        default="flatten", description="How the tokens are combined into one vector."
    )

    @property
    def patches(self) -> int:
        """Number of patches of an image."""
        return (self.image_size // self.patch_size) ** 2

    @property
    def head_width(self) -> int:
        """Width of the queries, keys and values of one attention head."""
        return self.projection_dim // self.num_heads if self.key_dim == "split" else self.key_dim or self.projection_dim

    @model_validator(mode="after")
    def _check_shapes(self):
        if self.image_size % self.patch_size:
            raise ValueError(
                f"patch_size {self.patch_size} does not divide image_size {self.image_size}; "
                f"try patch_size {_nearest_divisor(self.image_size, self.patch_size)}"
            )
        if self.block_units[-1] != self.projection_dim:
            raise ValueError(
                f"block_units ends in {self.block_units[-1]}, but its output is added to tokens of width "
                f"projection_dim {self.projection_dim}; the last value must be {self.projection_dim}"
            )
        if self.key_dim == "split" and self.projection_dim % self.num_heads:
            raise ValueError(
                f"num_heads {self.num_heads} does not divide projection_dim {self.projection_dim}, which "
                f"key_dim 'split' requires; try num_heads {_nearest_divisor(self.projection_dim, self.num_heads)}"
            )
        return self


class ResNet50V2(ImageModel):
    """The baseline: `keras.applications.ResNet50V2` without pretrained weights."""

    image_size: int = Field(
        default=72, ge=32, le=1024, description="Height and width to which images are resized, pixels."
    )


class CustomModel(Section):
    """A custom model: any Keras model from raw images, 0–255, to logits."""

    builder: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$",
        description="package.module:function that takes the input shape and the number of classes and returns the "
        "model. The module is looked up in the folder in which Snakemake runs, then among the installed packages.",
    )
    options: dict[str, JsonValue] = Field(default={}, description="Further keyword arguments of the function.")

    @property
    def module(self) -> str:
        return self.builder.split(":")[0]

    @property
    def function(self) -> str:
        return self.builder.split(":")[1]


Parameters = ViT | ResNet50V2 | CustomModel


class Models(Section):
    """The models that take part, by name; `null` removes one. Any other name is a custom model."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, CustomModel | None] = Field(init=False)

    vit: ViT | None = ViT()
    resnet50v2: ResNet50V2 | None = ResNet50V2()

    @model_validator(mode="before")
    @classmethod
    def _check_custom_models(cls, values):
        for name, given in values.items() if isinstance(values, dict) else ():
            has_builder = isinstance(given, dict) and "builder" in given
            if name in cls.model_fields and has_builder:
                raise ValueError(f"{name} is a model of vitbench; give your custom model another name")
            if name not in cls.model_fields and given is not None and not isinstance(given, CustomModel):
                if not has_builder:
                    close = difflib.get_close_matches(name, cls.model_fields, n=1)
                    hint = f"did you mean {close[0]!r}?" if close else f"vitbench has {', '.join(cls.model_fields)}."
                    raise ValueError(
                        f"{name}: unknown key; {hint} A custom model needs builder: package.module:function"
                    )
                _check_name(name)
        return values

    def parameters(self) -> dict[str, Parameters]:
        """The parameters of each model that takes part, by name."""
        named = {name: getattr(self, name) for name in type(self).model_fields} | self.__pydantic_extra__
        return {name: parameters for name, parameters in named.items() if parameters is not None}

    def is_augmented(self, model: str) -> bool:
        """Whether the training images of `model` are augmented by built-in layers."""
        augmentation = getattr(self.parameters()[model], "augmentation", None)
        return bool(augmentation and (augmentation.horizontal_flip or augmentation.rotation or augmentation.zoom))


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Slug).validate_python(name)
    except ValidationError:
        raise ValueError(
            f"the name {name!r} becomes part of a path, so it may contain only letters, digits, '.', '_' and "
            "'-', at most 64 of them, and must not begin with '.'"
        ) from None


def _nearest_divisor(n: int, target: int) -> int:
    return min((d for d in range(1, n + 1) if n % d == 0), key=lambda d: abs(d - target))
