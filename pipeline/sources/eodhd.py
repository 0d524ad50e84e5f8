"""`eodhd`: ASX and US from EODHD, prices as traded; needs EODHD_API_KEY."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import ListingsRefused, SourceError
from stockstream.pipeline.listings.base import Company, ListingsSource
from stockstream.pipeline.markets import Market
from stockstream.pipeline.setting_fields import EnvironmentSettings, Secret, setting
from stockstream.pipeline.sources.base import Window
from stockstream.pipeline.symbols import fault
from stockstream.pipeline.vendor_api import VendorApi, checked_key, in_query
from stockstream.pipeline.vendor_source import Received, Row, VendorSource, events_of, row_of

# https://eodhd.com/financial-apis/api-for-historical-data-and-volumes
COLUMNS = {name: name for name in ("open", "high", "low", "close", "volume", "adjusted_close")}
EXCHANGES = {"ASX": "AU", "US": "US"}
"""What EODHD calls a market."""
QUOTA = "exceeded your daily API"
"""In an answer of status 402: https://eodhd.com/financial-apis/api-limits."""
SHARES = ("Common Stock", "Preferred Stock", "ETF")
"""Types of securities in the list of symbols that are listed companies and funds."""


@dataclass(frozen=True, kw_only=True)
class EodhdSettings(EnvironmentSettings):
    """The settings of this source alone."""

    url: str = setting("https://eodhd.com/api", "STOCKSTREAM_EODHD_URL", "Address of EODHD's API")
    key: Secret | None = setting(None, "EODHD_API_KEY", "API token of EODHD")
    calls_per_minute: int = setting(1000, "STOCKSTREAM_EODHD_CALLS_PER_MINUTE", "Rate limit", minimum=1)


class EodhdSource(VendorSource):
    """Daily bars from EODHD, three requests per symbol: prices as traded, dividends and splits.

    The volume is adjusted for splits, unlike the prices: it is converted to the shares of its day with the later
    splits. `value` of a dividend is adjusted, too; `unadjustedValue` is what was paid. BHP is BHP.AU, BRK.B is
    BRK-B.US, ^AXJO is AXJO.INDX. The key is part of every URL.
    """

    name = "eodhd"
    markets = tuple(EXCHANGES)

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source.

        Raises:
            UsageError: there is no key.
        """
        values = EodhdSettings.read()
        key = checked_key(values.key, "EODHD_API_KEY", cls.name)
        api = VendorApi(
            cls.name,
            values.url,
            [key],
            in_query("api_token", key),
            values.calls_per_minute,
            *settings.retries,
            quota=QUOTA,
        )
        return cls(api, market)

    def listings(self) -> ListingsSource:
        """Return EODHD's own list of symbols."""
        return _EodhdListings(self.api, EXCHANGES[self.market.name])

    def request(self, windows: Sequence[Window]) -> Received:
        """Return the rows and events of one symbol; splits through today, for the volumes."""
        (window,) = windows
        code = quote(self._code(window.symbol), safe="")
        start, end = str(window.start), str(window.end)
        bars = self._rows("eod", code, period="d", order="a", **{"from": start, "to": end})
        dividends = self._rows("div", code, **{"from": start, "to": end})
        splits = [
            {"ticker": window.symbol, "execution_date": item.get("date"), "split_from": old, "split_to": new}
            for item in self._rows("splits", code, **{"from": start})
            for new, _, old in [str(item.get("split")).partition("/")]
        ]
        ratios = list(_ratios(splits))
        rows = [row_of(window.symbol, str(item.get("date")), item, COLUMNS) for item in bars]
        for row in rows:
            _convert_volume(row, ratios)
        paid = [
            {
                "ticker": window.symbol,
                "ex_dividend_date": item.get("date"),
                "cash_amount": item.get("unadjustedValue"),  # without it, the event has no number and is named
                "currency": item.get("currency") or None,
                "pay_date": item.get("paymentDate") or None,
                "dividend_type": item.get("period") or None,
            }
            for item in dividends
        ]
        return Received(rows, events_of(paid, splits))

    def _rows(self, kind: str, code: str, **params: str) -> list[dict[str, Any]]:
        """Return the rows of an answer; a remark of the vendor among them, such as a limit of the plan, is noted."""
        items = self.api.rows(f"/{kind}/{code}", fmt="json", **params)
        for item in items:
            if "warning" in item:
                self.remark(f"eodhd: {self.api.one_line(item['warning'])}")
        return [item for item in items if "warning" not in item]

    def _code(self, symbol: str) -> str:
        if symbol.startswith("^"):
            return f"{symbol[1:]}.INDX"
        return f"{symbol.replace('.', '-')}.{EXCHANGES[self.market.name]}"


def _ratios(splits: Iterable[dict[str, Any]]) -> Iterable[tuple[str, float]]:
    """Yield the ex-date and ratio of the splits that can be read; the others are reported as events."""
    for split in splits:
        try:
            ratio = float(split["split_to"]) / float(split["split_from"])
        except (ValueError, ZeroDivisionError):
            continue
        if ratio > 0:
            yield str(split["execution_date"]), ratio


def _convert_volume(row: Row, ratios: Iterable[tuple[str, float]]) -> None:
    """Divide a volume by the splits after its day; what is no number stays as it came."""
    factor = 1.0
    for day, ratio in ratios:
        factor *= ratio if day > row["date"] else 1.0
    if factor != 1.0 and row["volume"] is not None:
        with suppress(ValueError, OverflowError):
            row["volume"] = str(round(float(row["volume"]) / factor))


class _EodhdListings:
    name = "eodhd"

    def __init__(self, api: VendorApi, exchange: str) -> None:
        self._api = api
        self._exchange = exchange

    def companies(self) -> list[Company]:
        """Return the shares and funds that trade today, sorted, each once.

        Raises:
            ListingsRefused: EODHD does not answer, or its answer is not a believable list.
        """
        try:
            items = self._api.rows(f"/exchange-symbol-list/{self._exchange}", fmt="json")
        except SourceError as error:
            raise ListingsRefused(str(error)) from None
        companies = {}
        for item in items:
            code = str(item.get("Code") or "").replace("-", ".")
            if reason := fault(code):
                raise ListingsRefused(f"eodhd's list of symbols has {code!r}, no symbol: {reason}")
            if item.get("Type") in SHARES:
                companies[code] = Company(code, str(item.get("Name") or ""))
        if not companies:
            raise ListingsRefused("eodhd's list of symbols is empty")
        return [companies[code] for code in sorted(companies)]
