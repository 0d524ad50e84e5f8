"""The settings of a run: one model for the command line's options, the configuration file, Python and the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from stockstream.analytics.arguments import day_of, symbols_of, text_of
from stockstream.analytics.backtest.model.costs import BROKERS, file_function, name_of, parse_commission, parse_slippage
from stockstream.sql.errors import ArgumentError, UsageError


@dataclass(frozen=True)
class Option:
    """How a setting appears on the command line; `analytics/cli/commands/backtest.py` creates one option per field."""

    panel: str
    """The panel of the help that lists the option."""
    former: str | None = None
    """The setting's former name, still accepted as an option, a TOML key and a keyword."""
    metavar: str | None = None
    default: str | None = None
    """The text that the help shows for a default of None."""
    negative: str | None = None
    """The flag that sets a boolean to false."""


class Setup(BaseModel):
    """The settings of a backtest. Money is in the market's currency; rates are annual fractions (0.05 = 5 %)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbols: Annotated[tuple[str, ...] | None, Option("Strategy", metavar="A,B", default="all with bars")] = Field(
        None, description="Symbols to trade, separated by commas."
    )
    start: Annotated[date | None, Option("Strategy", "start_date", "YYYY-MM-DD", "first bar")] = Field(
        None, description="First session. Indicators also use the bars before it."
    )
    end: Annotated[date | None, Option("Strategy", "end_date", "YYYY-MM-DD", "last bar")] = Field(
        None, description="Last session."
    )
    prices: Annotated[Literal["as_traded", "adjusted"], Option("Strategy")] = Field(
        "as_traded",
        description="as_traded: prices of the day, splits and dividends credited to positions; "
        "adjusted: prices with both reinvested.",
    )
    fill_at: Annotated[Literal["open", "close", "vwap"], Option("Strategy")] = Field(
        "open", description="Price of market orders in the next session; vwap = (high + low + close) / 3."
    )
    at_end: Annotated[Literal["hold", "close"], Option("Strategy")] = Field(
        "hold", description="hold: value open positions at their last close; close: close them at it."
    )

    delist_after: Annotated[int, Option("Strategy")] = Field(
        21,
        ge=1,
        description="Sessions without a bar after which a symbol counts as delisted, if the lists of companies do not "
        "say so sooner.",
    )
    zero_volume: Annotated[Literal["wait", "fill"], Option("Strategy")] = Field(
        "wait", description="Orders on a bar whose volume is 0: wait for the next bar, or fill as on any other."
    )

    initial_capital: Annotated[float, Option("Account")] = Field(100_000.0, gt=0, description="Initial cash.")
    leverage: Annotated[float, Option("Account")] = Field(
        1.0, ge=1, description="Maximum gross exposure ÷ equity; with 1, cash never goes below zero."
    )
    maintenance_margin: Annotated[float, Option("Account", "maintenance")] = Field(
        0.25,
        ge=0,
        lt=1,
        description="Maintenance margin: minimum equity ÷ exposure. Below it all positions are closed.",
    )
    allow_short: Annotated[bool, Option("Account", default="allowed", negative="--no-short")] = Field(
        True, description="Allow short selling."
    )
    fractional: Annotated[bool, Option("Account", default="whole shares")] = Field(
        False, description="Size positions and fill orders in fractions of a share."
    )
    volume_limit: Annotated[float | None, Option("Account", default="none")] = Field(
        None, gt=0, le=1, description="Maximum fraction of a bar's volume per fill; the rest fills later."
    )

    commission: Annotated[str | Callable[..., float], Option("Costs")] = Field(
        "0.1%",
        description="0.1%, 0.1% min 6, 0.005/share min 1, 5/fill + 0.1%, or with a rebate on limit orders "
        f"0.3%, limit -0.1%; one of {', '.join(BROKERS)}; or a function of (quantity, price): my.py:fees.",
    )
    slippage: Annotated[str | Callable[..., float], Option("Costs")] = Field(
        "none",
        description="Slippage of market and stop orders: 5bps, 0.01/share, volume-share or none; or a function of "
        "(quantity, price, volume): my.py:impact.",
    )
    borrow_rate: Annotated[float, Option("Costs")] = Field(
        0.01, ge=0, description="Annual borrow fee on short positions (0.01 = 1 %)."
    )
    borrow_rates: Annotated[
        dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]],
        Option("Costs", metavar="SYMBOL=RATE,…", default="none"),
    ] = Field({}, description="Annual borrow fees of single symbols, GME=0.5,AMC=0.2; of others it is the borrow rate.")
    interest_rate: Annotated[float, Option("Costs")] = Field(
        0.06, ge=0, description="Annual interest on negative cash (0.06 = 6 %)."
    )

    benchmark: Annotated[str | None, Option("Output", metavar="SYMBOL", default="none")] = Field(
        None, description="Symbol to compare with, dividends reinvested."
    )
    risk_free_rate: Annotated[float, Option("Output")] = Field(
        0.0, description="Annual risk-free rate of Sharpe ratio, Sortino ratio and alpha (0.04 = 4 %)."
    )

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, values: Any) -> Any:
        return current_names(values) if isinstance(values, Mapping) else values

    @field_validator("symbols", "start", "end", "benchmark", mode="before")
    @classmethod
    def _argument(cls, value: Any, info: ValidationInfo) -> Any:
        name = str(info.field_name)
        try:
            if value is None:
                return None
            if name == "symbols":
                return symbols_of(value)
            return text_of(name, value) if name == "benchmark" else day_of(name, value)
        except ArgumentError as error:  # pydantic would put an error that is a ValueError into a list
            text = f"{name}: Input should be a valid date, YYYY-MM-DD" if name in ("start", "end") else str(error)
            raise UsageError(text) from None

    @field_validator("commission")
    @classmethod
    def _commission(cls, cost: str | Callable[..., float]) -> str | Callable[..., float]:
        if isinstance(cost, str) and (function := file_function(cost)) is not None:
            return function
        if isinstance(cost, str):
            parse_commission(cost)
        return cost

    @field_validator("slippage")
    @classmethod
    def _slippage(cls, cost: str | Callable[..., float]) -> str | Callable[..., float]:
        if isinstance(cost, str) and (function := file_function(cost)) is not None:
            return function
        if isinstance(cost, str):
            parse_slippage(cost)
        return cost

    @field_serializer("commission", "slippage")
    def _cost_text(self, cost: str | Callable[..., float]) -> str:
        return cost if isinstance(cost, str) else name_of(cost)

    @field_validator("borrow_rates", mode="before")
    @classmethod
    def _rates(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [pair.split("=") for pair in value.split(",") if pair.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise UsageError(f"borrow_rates {value}: write GME=0.5,AMC=0.2")
        return {symbol.strip(): rate for symbol, rate in pairs}

    @field_validator("initial_capital", "leverage", "borrow_rate", "interest_rate", "risk_free_rate")
    @classmethod
    def _finite(cls, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError("must be a finite number")
        return value

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.start and self.end and self.end < self.start:
            raise UsageError(f"the range ends ({self.end}) before it starts ({self.start})")
        if self.symbols is not None and not self.symbols:
            raise UsageError("symbols: name at least one, or omit it to trade all that have bars")
        if self.leverage * self.maintenance_margin > 1 + 1e-9:  # the product of two decimals may be 1 and a last digit
            raise UsageError(
                f"leverage {self.leverage:g} with a maintenance margin of {self.maintenance_margin:g}: positions of "
                f"that size are a margin call at once; use at most {1 / self.maintenance_margin:g}, or a lower margin"
            )
        return self

    @classmethod
    def of(cls, **settings: Any) -> Setup:
        """Return validated settings.

        Raises:
            UsageError: a setting is unknown or out of range.
        """
        try:
            return cls(**settings)
        except ValidationError as error:
            errors = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'setup'}: {e['msg']}" for e in error.errors())
            raise UsageError(errors) from None


OPTIONS: dict[str, Option] = {
    name: next(item for item in field.metadata if isinstance(item, Option))
    for name, field in Setup.model_fields.items()
}
"""The option of each setting."""
FORMER_NAMES: dict[str, str] = {option.former: name for name, option in OPTIONS.items() if option.former}
"""Current name per former name."""


def current_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with former names replaced by current ones.

    Raises:
        UsageError: a setting has a value under both names.
    """
    for former, name in FORMER_NAMES.items():
        if former in settings and name in settings:
            raise UsageError(f"{former} is the former name of {name}: set only {name}")
    return {FORMER_NAMES.get(name, name): value for name, value in settings.items()}
