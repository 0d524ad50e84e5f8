"""The header of an indicator's SQL file: one model, used by the catalogue, the pages, the CLI and the tests."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Scale = Literal["price", "volume"] | float


class IndicatorHeader(BaseModel):
    """The YAML between `/* ---` and `--- */`; unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: str
    """Without the version: the macro is `{name}_v{version}`, as is the file."""
    version: int = Field(ge=1)
    title: str
    """One line for `stockstream indicators list` and `lake_help()`."""
    status: Literal["active", "superseded"] = "active"
    """A superseded version stays callable by its full name and is left out of lists."""
    grain: str = "one row per symbol and date"
    params: dict[str, int | float | str]
    """Defaults by parameter, in the order of the macro; a text is an expression of columns, such as `value: close`."""
    columns: tuple[str, ...]
    """Columns of `src` that are read, beside symbol and date; `value` stands for the parameter of that name."""
    returns: tuple[str, ...] = Field(min_length=1)
    """Columns of the result, beside symbol and date."""
    price_like: tuple[str, ...] = ()
    """Those of `returns` that double when all prices double; the others do not change."""
    scale: dict[str, Scale] = {}
    """For columns that pass through zero, what a difference is relative to: the close (`price`), the volume traded so
    far (`volume`) or a constant; elsewhere a difference is relative to the value itself."""
    carried: tuple[str, ...] = ()
    """Those of `returns` that are sums since the first bar, which a later refresh continues from the stored value."""
    derived: dict[str, str] = {}
    """SQL over the carried columns for those of `returns` that are computed from them."""
    warmup: str
    """Number of rows per symbol that are NULL before the first value, an expression of the parameters."""
    lookback: str
    """Number of earlier bars that decide a value (to 1e-11), an expression of the parameters, or `all`."""
    formula: str
    difference: float | None = Field(default=None, ge=0)
    """Largest difference from the oracle on the demo's bars, see `scale`; required for shipped indicators."""
    reference: str
    """Source of the formula, the implementation it equals, and what deviates from it."""
    changes: tuple[str, ...] = Field(min_length=1)
    """Lines `YYYY-MM-DD what changed`."""

    @model_validator(mode="after")
    def _columns_are_returned(self) -> Self:
        for field in ("price_like", "scale", "carried", "derived"):
            if unknown := sorted(set(getattr(self, field)) - set(self.returns)):
                raise ValueError(f"{field} names {', '.join(unknown)}, which is not in returns")
        return self

    @property
    def periods(self) -> dict[str, int | float]:
        """Parameters that are numbers, with their defaults."""
        return {name: default for name, default in self.params.items() if not isinstance(default, str)}

    @property
    def values(self) -> dict[str, str]:
        """Parameters that are expressions of columns, with their defaults."""
        return {name: default for name, default in self.params.items() if isinstance(default, str)}


def parse_header(yaml: dict[str, Any]) -> IndicatorHeader:
    """Return the validated header.

    Raises:
        ValueError: a field is missing, unknown or wrong; the message, one line, names the field.
    """
    try:
        return IndicatorHeader.model_validate(yaml)
    except ValidationError as error:
        raise ValueError(_message(error)) from None


def _message(error: ValidationError) -> str:
    errors = error.errors()
    if missing := [str(one["loc"][0]) for one in errors if one["type"] == "missing"]:
        return f"the header lacks {', '.join(missing)}"
    first = errors[0]
    reason = first["msg"].removeprefix("Value error, ")
    field = ".".join(map(str, first["loc"]))
    return f"the header's {field}: {reason}" if field else f"the header: {reason}"
