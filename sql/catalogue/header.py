"""The header of an indicator's SQL file: one model, used by the catalogue, the pages, the CLI and the tests."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Scale = Literal["price", "volume"] | float


class IndicatorHeader(BaseModel):
    """The YAML between `/* ---` and `--- */`. Unknown fields are errors, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: str
    """Name without the version; the macro and the file are called `{name}_v{version}`."""
    version: int = Field(ge=1)
    aliases: tuple[str, ...] = ()
    """Its names in TA-Lib, pandas-ta and TradingView where they differ; requests and SQL take them, too."""
    title: str
    """One line for `stockstream indicators list` and `lake_help()`."""
    status: Literal["active", "superseded"] = "active"
    """A superseded version can still be called by its full name, but lists do not show it."""
    grain: str = "one row per symbol and date"
    params: dict[str, int | float | str]
    """Default by parameter, in the macro's order. A text is an expression of columns, such as `value: close`."""
    columns: tuple[str, ...]
    """Columns of `src` that the macro reads besides symbol and date; `value` stands for the parameter of that name."""
    returns: tuple[str, ...] = Field(min_length=1)
    """Columns of the result besides symbol and date."""
    price_like: tuple[str, ...] = ()
    """Columns of `returns` that double when all prices double; the other columns do not change then."""
    units: dict[str, str] = {}
    """Unit and range by column of `returns`; without one, a column of `price_like` is in the unit of the prices."""
    scale: dict[str, Scale] = {}
    """For each column that passes through zero, what `difference` is relative to: the close (`price`), the cumulative
    volume (`volume`) or a constant. For all other columns it is relative to the value itself."""
    carried: tuple[str, ...] = ()
    """Columns of `returns` that are cumulative sums since the first bar; a refresh continues the stored sums."""
    derived: dict[str, str] = {}
    """SQL expression by column of `returns`, for the columns that are computed from `carried` columns."""
    warmup: str
    """Number of rows per symbol that are NULL before the first value: an expression of the parameters."""
    lookback: str
    """Number of earlier bars that determine a value to 1e-11: an expression of the parameters, or `all`."""
    formula: str
    difference: float | None = Field(default=None, ge=0)
    """Largest difference from the oracle on the demo's bars (see `scale`); required for shipped indicators."""
    reference: str
    """Source of the formula, the implementation that the indicator equals, and where it deviates."""
    changes: tuple[str, ...] = Field(min_length=1)
    """One text per change: `YYYY-MM-DD what changed`."""

    @model_validator(mode="after")
    def _columns_are_returned(self) -> Self:
        for field in ("price_like", "units", "scale", "carried", "derived"):
            if unknown := sorted(set(getattr(self, field)) - set(self.returns)):
                raise ValueError(f"{field} names {', '.join(unknown)}, which is not in returns")
        return self

    @property
    def described(self) -> dict[str, str]:
        """Unit and range by column of the result."""
        unit = "money per share, or the unit of value" if "value" in self.values else "money per share"
        default = dict.fromkeys(self.returns, "see the formula") | dict.fromkeys(self.price_like, unit)
        return {name: self.units.get(name, default[name]) for name in self.returns}

    @property
    def periods(self) -> dict[str, int | float]:
        """Parameters that are numbers, with their defaults."""
        return {name: default for name, default in self.params.items() if not isinstance(default, str)}

    @property
    def values(self) -> dict[str, str]:
        """Parameters that are expressions of columns, with their defaults."""
        return {name: default for name, default in self.params.items() if isinstance(default, str)}


def parse_header(yaml: dict[str, Any]) -> IndicatorHeader:
    """Return the header as a validated model.

    Raises:
        ValueError: a field is missing, unknown or invalid; the message is one line that names the field.
    """
    try:
        return IndicatorHeader.model_validate(yaml)
    except ValidationError as error:
        raise ValueError(_message(error)) from None


def _message(error: ValidationError) -> str:
    errors = error.errors()
    if missing := [str(detail["loc"][0]) for detail in errors if detail["type"] == "missing"]:
        return f"the header lacks {', '.join(missing)}"
    first = errors[0]
    reason = first["msg"].removeprefix("Value error, ")
    field = ".".join(map(str, first["loc"]))
    return f"the header's {field}: {reason}" if field else f"the header: {reason}"
