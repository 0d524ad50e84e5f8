"""Answers of Alpaca, Tiingo, EODHD and Stooq, made after their documentation: never seen live.

A script takes what happened, in our terms, and routes a server's paths to what the vendor would answer about it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from tests.polygon_vendor import Reply, Vendor

KEY = "s3cret+Key/of=vendor"
SECRET = "an0ther-s3cret"
MONDAY = date(2024, 3, 11)
WEEK = [MONDAY + timedelta(n) for n in range(5)]
SPLIT_DAY = WEEK[3]

Bar = Mapping[str, Any]


@dataclass
class History:
    """What happened to one symbol: bars by our names, and a dividend and a 4:1 split by their days."""

    bars: Sequence[Bar]
    dividends: Mapping[date, float] = field(default_factory=dict)
    splits: Mapping[date, int] = field(default_factory=dict)


def bar(day: date, close: float = 40.0, **values: Any) -> dict[str, Any]:
    """Return a bar; a value of `...` leaves the field out."""
    prices = {"open": close - 1, "high": close + 1, "low": close - 2, "close": close, "volume": 1000}
    return {"date": day, **prices, **values}


def body(rows: object) -> Reply:
    # Python writes NaN as some vendors do, which is no JSON.
    return 200, {}, json.dumps(rows)


def named(one: Bar, names: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {theirs: one[ours] for ours, theirs in names.items() if one[ours] is not ...} | more


Script = Callable[[Vendor, Mapping[str, History]], None]


def alpaca(vendor: Vendor, histories: Mapping[str, History]) -> None:
    names = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}

    def bars(params: dict[str, str]) -> Reply:
        page = {
            symbol: [named(b, names, t=f"{b['date']}T04:00:00Z", n=7, vw=1.0) for b in histories[symbol].bars]
            for symbol in params["symbols"].split(",")
            if symbol in histories
        }
        return body({"bars": page, "next_page_token": None})

    def actions(params: dict[str, str]) -> Reply:
        dividends, splits = [], []
        for symbol in params["symbols"].split(","):
            history = histories.get(symbol, History([]))
            for day, cash in history.dividends.items():
                # Processed when it is paid, three weeks later: only a later `end` finds it.
                if str(day + timedelta(21)) <= params["end"]:
                    dividends.append({"symbol": symbol, "ex_date": str(day), "rate": cash, "special": False})
            for day, ratio in history.splits.items():
                splits.append({"symbol": symbol, "ex_date": str(day), "old_rate": 1, "new_rate": ratio})
        found = {"cash_dividends": dividends, "forward_splits": splits}
        return body({"corporate_actions": found, "next_page_token": None})

    vendor.routes["/v2/stocks/bars"] = bars
    vendor.routes["/v1/corporate-actions"] = actions


def tiingo(vendor: Vendor, histories: Mapping[str, History]) -> None:
    names = {"open": "open", "high": "high", "low": "low", "close": "close", "volume": "volume"}
    for symbol, history in histories.items():
        rows = [
            named(
                b,
                names,
                date=f"{b['date']}T00:00:00.000Z",
                adjClose=1.5,
                adjVolume=1,
                divCash=history.dividends.get(b["date"], 0.0),
                splitFactor=float(history.splits.get(b["date"], 1)),
            )
            for b in history.bars
        ]
        vendor.routes[f"/tiingo/daily/{symbol.replace('.', '-')}/prices"] = [body(rows)]


def eodhd(vendor: Vendor, histories: Mapping[str, History]) -> None:
    names = {name: name for name in ("open", "high", "low", "close", "volume")}
    for symbol, history in histories.items():
        code = f"{symbol.replace('.', '-')}.US"
        rows = []
        for one in history.bars:
            later = 1
            for day, ratio in history.splits.items():
                later *= ratio if str(day) > str(one["date"]) else 1
            volume = one["volume"] * later if isinstance(one["volume"], int) else one["volume"]
            rows.append(named({**one, "volume": volume}, names, date=str(one["date"]), adjusted_close=1.5))
        vendor.routes[f"/eod/{code}"] = [body(rows)]
        paid = [
            {"date": str(day), "value": cash / 4, "unadjustedValue": cash, "currency": "USD", "paymentDate": ""}
            for day, cash in history.dividends.items()
        ]
        vendor.routes[f"/div/{code}"] = [body(paid)]
        splits = [{"date": str(day), "split": f"{ratio}.000000/1.000000"} for day, ratio in history.splits.items()]
        vendor.routes[f"/splits/{code}"] = [body(splits)]


def stooq(vendor: Vendor, histories: Mapping[str, History]) -> None:
    names = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}

    def download(params: dict[str, str]) -> Reply:
        history = {f"{symbol.replace('.', '-').lower()}.us": h for symbol, h in histories.items()}.get(params["s"])
        if history is None:
            return 200, {"Content-Type": "text/html"}, "No data"
        lines = [["Date", *names.values()]]
        for one in history.bars:
            values = [one[name] for name in names]
            lines.append([str(one["date"]), *(str(value) for value in values if value is not ...)])
        return 200, {"Content-Type": "text/csv"}, "".join(",".join(line) + "\r\n" for line in lines)

    vendor.routes["/q/d/l/"] = download


@dataclass(frozen=True)
class Case:
    """A vendor: its answers, the path of the bars of AAPL, the variables of its keys, and its words."""

    script: Script
    path: str
    keys: Mapping[str, str]
    unknown: Reply
    quota: Reply | None
    has_actions: bool = True
    has_adjusted_close: bool = False
    nan: str = "NaN"
    """How the vendor's format writes a number that is none."""

    @property
    def name(self) -> str:
        return self.script.__name__


TEXT = {"Content-Type": "text/html"}
CASES = [
    Case(
        alpaca,
        "/v2/stocks/bars",
        {"APCA_API_KEY_ID": KEY, "APCA_API_SECRET_KEY": SECRET},
        body({"bars": {}, "next_page_token": None}),
        None,
    ),
    Case(
        tiingo,
        "/tiingo/daily/AAPL/prices",
        {"TIINGO_API_KEY": KEY},
        (404, {}, '{"detail":"Not found."}'),
        (200, TEXT, "You have run over your 500 symbol look up for this month. Please upgrade at https://…"),
        has_adjusted_close=True,
    ),
    Case(
        eodhd,
        "/eod/AAPL.US",
        {"EODHD_API_KEY": KEY},
        (404, TEXT, "Ticker Not Found."),
        (402, TEXT, "You exceeded your daily API requests limit.  Please contact support@eodhistoricaldata.com"),
        has_adjusted_close=True,
    ),
    Case(
        stooq,
        "/q/d/l/",
        {"STOOQ_API_KEY": KEY},
        (200, TEXT, "No data"),
        (200, TEXT, "Exceeded the daily hits limit"),
        has_actions=False,
        nan="nan",
    ),
]
