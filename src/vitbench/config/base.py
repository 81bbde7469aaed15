"""The base class of every section of the config, and types that several sections use."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _check_distinct(values: list) -> list:
    repeated = sorted({str(v) for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"names {', '.join(repeated)} more than once")
    return values


# A name that becomes part of a path: no separator, no leading dot.
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length=64)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Distinct = AfterValidator(_check_distinct)  # for lists without repeated entries


class Section(BaseModel):
    """A section of the config: unknown keys, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
