"""`stooq`: the US market from Stooq, prices as traded, no dividends and splits; needs STOOQ_API_KEY (free)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.markets import Market
from stockstream.pipeline.setting_fields import EnvironmentSettings, Secret, setting
from stockstream.pipeline.sources.base import Window
from stockstream.pipeline.vendor_api import KeyRefusedError, VendorApi, checked_key, in_query
from stockstream.pipeline.vendor_source import Received, VendorSource, row_of

COLUMNS = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}
QUOTA = r"^\s*(exceeded the daily hits limit|przekroczony dzienny limit)"
"""In an answer of status 200: https://github.com/pydata/pandas-datareader/issues/1012."""
AS_TRADED = "1111111"
"""Leaves out every kind of adjustment: by default, prices are adjusted for splits and dividends alike."""
PATH = "/q/d/l/"


@dataclass(frozen=True, kw_only=True)
class StooqSettings(EnvironmentSettings):
    """The settings of this source alone."""

    url: str = setting("https://stooq.com", "STOCKSTREAM_STOOQ_URL", "Address of Stooq")
    key: Secret | None = setting(None, "STOOQ_API_KEY", "API key of Stooq")
    calls_per_minute: int = setting(60, "STOCKSTREAM_STOOQ_CALLS_PER_MINUTE", "Rate limit", minimum=1)


class StooqSource(VendorSource):
    """Daily bars from Stooq, one request per symbol: prices as traded.

    Stooq lists neither dividends nor splits. Its adjusted prices cannot be kept day by day: every dividend restates
    them all. AAPL is aapl.us, BRK.B is brk-b.us; the answer is CSV, and so far every refusal has status 200.
    """

    name = "stooq"
    markets = ("US",)

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source.

        Raises:
            UsageError: there is no key.
        """
        values = StooqSettings.read()
        key = checked_key(values.key, "STOOQ_API_KEY", cls.name)
        api = VendorApi(
            cls.name,
            values.url,
            [key],
            in_query("apikey", key),
            values.calls_per_minute,
            *settings.retries,
            quota=QUOTA,
        )
        return cls(api, market)

    def request(self, windows: Sequence[Window]) -> Received:
        """Return the rows of one symbol.

        Raises:
            KeyRefusedError: the answer is the page that explains how to get a key.
            SourceError: the answer is no table.
        """
        (window,) = windows
        code = window.symbol if window.symbol.startswith("^") else f"{window.symbol.replace('.', '-')}.us"
        text = self.api.text(
            PATH, s=code.lower(), d1=f"{window.start:%Y%m%d}", d2=f"{window.end:%Y%m%d}", i="d", o=AS_TRADED
        )
        if "apikey" in text.lower():
            raise KeyRefusedError("stooq refused the key: https://stooq.com/q/d/?s=spy.us&get_apikey has a new one")
        first = text.lstrip("\ufeff \t\r\n").partition("\n")[0].strip()
        if first.lower() == "no data":
            return Received([], failed={window.symbol: f"stooq has no data: no symbol {code.lower()}, or no bars"})
        self.remark("stooq reports no dividends and no splits: a split is a step in its prices")
        header, *lines = csv.reader(text.lstrip("\ufeff \t\r\n").splitlines()) if first else [[]]
        if not {"Date", "Open", "High", "Low", "Close"} <= {*header}:
            raise SourceError(f"stooq {PATH}: {self.api.described(text)} is no table of bars")
        columns = {ours: theirs for ours, theirs in COLUMNS.items() if theirs in header}  # an index has no volume
        items = [dict(zip(header, line, strict=False)) for line in lines if line]
        return Received([row_of(window.symbol, item["Date"], item, columns) for item in items])
