"""`tiingo`: the US market from Tiingo, prices as traded; needs TIINGO_API_KEY."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.markets import Market
from stockstream.pipeline.setting_fields import EnvironmentSettings, Secret, setting
from stockstream.pipeline.sources.base import Window
from stockstream.pipeline.vendor_api import VendorApi, checked_key, in_headers
from stockstream.pipeline.vendor_source import Received, VendorSource, events_of, row_of

# https://api.tiingo.com/documentation/end-of-day
COLUMNS = {
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "adjusted_close": "adjClose",
}
QUOTA = "you have run over your"
"""In an answer of status 200 or 429: https://github.com/hydrosquall/tiingo-python/issues/45."""


@dataclass(frozen=True, kw_only=True)
class TiingoSettings(EnvironmentSettings):
    """The settings of this source alone."""

    url: str = setting("https://api.tiingo.com", "STOCKSTREAM_TIINGO_URL", "Address of Tiingo's API")
    key: Secret | None = setting(None, "TIINGO_API_KEY", "API token of Tiingo")
    calls_per_minute: int = setting(50, "STOCKSTREAM_TIINGO_CALLS_PER_MINUTE", "Rate limit", minimum=1)


class TiingoSource(VendorSource):
    """Daily bars from Tiingo, one request per symbol: prices as traded, with the dividend and split of each day.

    `adjusted_close` is adjusted for splits and dividends. A share class has a hyphen: BRK.B is Tiingo's BRK-B.
    """

    name = "tiingo"
    markets = ("US",)

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source.

        Raises:
            UsageError: there is no key.
        """
        values = TiingoSettings.read()
        key = checked_key(values.key, "TIINGO_API_KEY", cls.name)
        sign = in_headers({"Authorization": f"Token {key}"})
        api = VendorApi(cls.name, values.url, [key], sign, values.calls_per_minute, *settings.retries, quota=QUOTA)
        return cls(api, market)

    def request(self, windows: Sequence[Window]) -> Received:
        """Return the rows of one symbol; Tiingo has dividends and splits in them."""
        (window,) = windows
        path = f"/tiingo/daily/{quote(window.symbol.replace('.', '-'), safe='')}/prices"
        items = self.api.rows(path, startDate=str(window.start), endDate=str(window.end), format="json")
        days = [str(item.get("date") or "")[:10] for item in items]
        dividends = [
            {"ticker": window.symbol, "ex_dividend_date": day, "cash_amount": item.get("divCash")}
            for day, item in zip(days, items, strict=True)
            if item.get("divCash") not in ("0", "0.0")
        ]
        splits = [
            {"ticker": window.symbol, "execution_date": day, "split_from": "1", "split_to": item.get("splitFactor")}
            for day, item in zip(days, items, strict=True)
            if item.get("splitFactor") not in ("1", "1.0")
        ]
        rows = [row_of(window.symbol, day, item, COLUMNS) for day, item in zip(days, items, strict=True)]
        return Received(rows, events_of(dividends, splits))
