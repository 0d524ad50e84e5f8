"""`alpaca`: the US market from Alpaca, prices as traded; needs APCA_API_KEY_ID and APCA_API_SECRET_KEY."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import SourceError
from stockstream.pipeline.markets import Market
from stockstream.pipeline.setting_fields import EnvironmentSettings, Secret, setting
from stockstream.pipeline.sources.base import Window
from stockstream.pipeline.vendor_api import VendorApi, checked_key, in_headers
from stockstream.pipeline.vendor_events import Texts
from stockstream.pipeline.vendor_source import Received, VendorSource, events_of, row_of

# https://docs.alpaca.markets/reference/stockbars and …/reference/corporateactions-1
COLUMNS = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
BARS = "/v2/stocks/bars"
ACTIONS = "/v1/corporate-actions"
TYPES = ("cash_dividend", "forward_split", "reverse_split", "stock_dividend", "unit_split", "spin_off")
PROCESSED_WITHIN = timedelta(days=90)
"""Time from an ex-date to the day on which the payment is processed, by which the list of actions is filtered."""


@dataclass(frozen=True, kw_only=True)
class AlpacaSettings(EnvironmentSettings):
    """The settings of this source alone."""

    url: str = setting("https://data.alpaca.markets", "STOCKSTREAM_ALPACA_URL", "Address of Alpaca's market data")
    key: Secret | None = setting(None, "APCA_API_KEY_ID", "Key of Alpaca")
    secret: Secret | None = setting(None, "APCA_API_SECRET_KEY", "Secret of the key of Alpaca")
    feed: str = setting("sip", "STOCKSTREAM_ALPACA_FEED", "sip: all exchanges; iex: one, with a fortieth of the volume")
    calls_per_minute: int = setting(200, "STOCKSTREAM_ALPACA_CALLS_PER_MINUTE", "Rate limit", minimum=1)


class AlpacaSource(VendorSource):
    """Daily bars from Alpaca, a hundred symbols per request: prices as traded, with the cash dividends and splits.

    A bar's time is the midnight of its session in New York. Alpaca does not say that it knows no such symbol: a symbol
    without bars is not in the answer.
    """

    name = "alpaca"
    markets = ("US",)
    group_size = 100

    def __init__(self, api: VendorApi, market: Market, feed: str) -> None:
        super().__init__(api, market)
        self._feed = feed

    @classmethod
    def open(cls, argument: str, market: Market, settings: Settings, **options: Any) -> Self:
        """Return the source.

        Raises:
            UsageError: there is no key or no secret.
        """
        values = AlpacaSettings.read()
        key = checked_key(values.key, "APCA_API_KEY_ID", cls.name)
        secret = checked_key(values.secret, "APCA_API_SECRET_KEY", cls.name)
        sign = in_headers({"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})
        api = VendorApi(cls.name, values.url, [key, secret], sign, values.calls_per_minute, *settings.retries)
        return cls(api, market, values.feed)

    def request(self, windows: Sequence[Window]) -> Received:
        """Return the rows and events of symbols with the same days."""
        symbols = [window.symbol for window in windows]
        start, end = windows[0].start, windows[0].end
        params: dict[str, str | int] = {"symbols": ",".join(symbols), "limit": 10000}
        bars = {"timeframe": "1Day", "adjustment": "raw", "feed": self._feed, "sort": "asc"}
        # Midnight in New York is 4:00 or 5:00 in UTC. A later end would be too recent for the free plan.
        bars |= {"start": f"{start}T00:00:00Z", "end": f"{end}T05:00:00Z"}
        zone = ZoneInfo(self.market.timezone)
        rows = []
        for page in self._pages(BARS, "bars", **params, **bars):
            for symbol, items in page.items():
                for item in _objects(items or [], BARS):
                    rows.append(row_of(symbol, _day(item.get("t"), zone), item, COLUMNS))
        with_bars = {row["symbol"] for row in rows}
        reason = f"alpaca has no bars from {start} to {end}: no such symbol, or it did not trade"
        missing = {symbol: reason for symbol in symbols if symbol not in with_bars}
        return Received(rows, self._events(symbols, start, end), missing)

    def _events(self, symbols: Sequence[str], start: date, end: date) -> Texts:
        """Return the cash dividends and splits; actions of other kinds are noted."""
        dividends: list[dict[str, Any]] = []
        splits: list[dict[str, Any]] = []
        params = {"symbols": ",".join(symbols), "start": str(start), "end": str(end + PROCESSED_WITHIN)}
        for page in self._pages(ACTIONS, "corporate_actions", **params, types=",".join(TYPES), limit=1000):
            for kind, items in page.items():
                for item in _objects(items or [], ACTIONS):
                    day = str(item.get("ex_date"))
                    if kind == "cash_dividends":
                        dividends.append(
                            {
                                "ticker": item.get("symbol"),
                                "ex_dividend_date": day,
                                "cash_amount": item.get("rate"),
                                "dividend_type": "special" if item.get("special") else "regular",
                                "pay_date": item.get("payable_date"),
                                "id": item.get("id"),
                            }
                        )
                    elif kind in ("forward_splits", "reverse_splits"):
                        rates = {"split_from": item.get("old_rate"), "split_to": item.get("new_rate")}
                        splits.append({"ticker": item.get("symbol"), "execution_date": day, **rates})
                    elif str(start) <= day <= str(end):
                        name = self.api.one_line(f"{kind.replace('_', ' ')} of {item.get('symbol')} on {day}")
                        self.remark(f"alpaca lists {name}, which are not used")
        return events_of(dividends, splits)

    def _pages(self, path: str, content: str, **params: str | int) -> Iterator[Mapping[str, Any]]:
        """Yield what each page of an answer has under a name.

        Raises:
            SourceError: as `VendorApi.text`; a page has another shape, or leads back to an earlier one.
        """
        tokens: set[str] = set()
        while True:
            body = self.api.parsed(self.api.text(path, **params), path)
            page = body.get(content) if isinstance(body, dict) else None
            if not isinstance(body, dict) or not isinstance(page or {}, dict) or content not in body:
                raise SourceError(f"alpaca {path}: the answer has not the documented shape")
            yield page or {}
            if not body.get("next_page_token"):
                return
            token = str(body["next_page_token"])
            if token in tokens:
                raise SourceError(f"alpaca {path}: next_page_token leads back to an earlier page")
            tokens.add(token)
            params["page_token"] = token


def _objects(items: Any, path: str) -> list[dict[str, Any]]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise SourceError(f"alpaca {path}: the answer has not the documented shape")
    return items


def _day(moment: object, zone: ZoneInfo) -> str:
    """Return the day of a moment such as 2024-03-11T04:00:00Z in a time zone; the text itself if it is none."""
    try:
        return str(datetime.fromisoformat(str(moment)).astimezone(zone).date())
    except ValueError:
        return str(moment)
