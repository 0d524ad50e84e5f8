"""A server on the loopback that answers in the shapes of Polygon's API, and what tests of the source share."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from stockstream.pipeline.polygon_api import PolygonApi
from stockstream.pipeline.sources.base import Answer, Window
from stockstream.pipeline.sources.polygon import PolygonSource

KEY = "s3cret-Polygon-k3y"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks"
"""Path of the whole market's bars of a day, without the day."""
NEW_YORK = ZoneInfo("America/New_York")
MONDAY = date(2024, 3, 11)  # the first session after the clocks went forward
FRIDAY = MONDAY + timedelta(4)
LONG = Window("AAPL", date(2020, 1, 2), date(2024, 12, 31))
"""One symbol and many days: the whole market's days would take more calls."""

Reply = tuple[int, dict[str, str], str]
"""Status, headers, body."""
Route = Callable[[dict[str, str]], Reply]
"""A reply by the parameters of the query."""


def ok(results: list[Any] | None = None, **more: Any) -> Reply:
    body: dict[str, Any] = {"status": "OK", "request_id": "6a7e466379af0a71039d60cc78e72282", **more}
    return 200, {}, json.dumps(body if results is None else body | {"results": results})


def refuse(status: int, words: str, **headers: str) -> Reply:
    body = json.dumps({"status": "ERROR", "request_id": "1", "error": words})
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, body


def millis(day: date, hour: int) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=NEW_YORK).timestamp() * 1000)


def bar(day: date, close: float = 10.0, ticker: str | None = None, volume: float = 1000) -> dict[str, Any]:
    prices = {"v": volume, "vw": close, "o": close - 1, "c": close, "h": close + 1, "l": close - 2, "n": 7}
    if ticker is None:
        return {**prices, "t": millis(day, 0)}
    return {"T": ticker, **prices, "t": millis(day, 16)}


def dividend(ticker: str, day: date, cash: float) -> dict[str, Any]:
    return {"cash_amount": cash, "dividend_type": "CD", "ex_dividend_date": str(day), "frequency": 4, "ticker": ticker}


def split(ticker: str, day: date, old: float, new: float) -> dict[str, Any]:
    return {"execution_date": str(day), "split_from": old, "split_to": new, "ticker": ticker}


def ticker(symbol: str, **more: Any) -> dict[str, Any]:
    return {"ticker": symbol, "name": f"{symbol} Inc.", "market": "stocks", "locale": "us", "active": True, **more}


class Vendor:
    """A server with a route per path. A path without a route has an empty good answer, as Polygon's on a holiday."""

    def __init__(self) -> None:
        self.otherwise = ok(queryCount=0, resultsCount=0)
        self.routes: dict[str, Route | list[Reply]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.targets: list[str] = []
        self.headers: list[dict[str, str]] = []
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                vendor.targets.append(self.path)
                vendor.headers.append(dict(self.headers))
                path, query = urlsplit(self.path).path, urlsplit(self.path).query
                params = {name: values[0] for name, values in parse_qs(query).items()}
                vendor.requests.append((path, params))
                status, headers, body = vendor.reply(path, params)
                data = body.encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def reply(self, path: str, params: dict[str, str]) -> Reply:
        route = self.routes.get(path)
        if route is None:
            return self.otherwise
        if callable(route):
            return route(params)
        return route.pop(0) if len(route) > 1 else route[0]  # the last reply stays

    def aggregates(self, symbol: str, *replies: Reply) -> None:
        """Route the bars of a symbol in the range of `LONG`."""
        self.routes[f"/v2/aggs/ticker/{symbol}/range/1/day/{LONG.start}/{LONG.end}"] = list(replies)

    def paths(self, prefix: str) -> list[str]:
        return [path for path, _ in self.requests if path.startswith(prefix)]


def source(vendor: Vendor, per_minute: int = 100_000, attempts: int = 3, wait: float = 0.01) -> PolygonSource:
    return PolygonSource(PolygonApi(KEY, vendor.url, per_minute, attempts, wait, wait_max=0.05))


def rows(answer: Answer) -> list[dict[str, Any]]:
    assert answer.bars is not None
    names = answer.bars.columns
    return sorted(
        (dict(zip(names, row, strict=True)) for row in answer.bars.fetchall()), key=lambda r: (r["symbol"], r["date"])
    )


def week(*symbols: str) -> list[Window]:
    return [Window(symbol, MONDAY, FRIDAY) for symbol in symbols]


def cells(answer: Answer) -> list[tuple[Any, ...]]:
    """Return symbol, date, column, text and reason of the values that could not be read."""
    assert answer.cells is not None
    assert answer.cells.columns == ["symbol", "date", "column_name", "text", "reason", "file", "line"]
    return sorted((row[:5] for row in answer.cells.fetchall()), key=str)


def market(vendor: Vendor, *symbols: str) -> None:
    """Route the whole market's bars of the five days of a week."""
    for offset in range(5):
        day = MONDAY + timedelta(offset)
        vendor.routes[f"{GROUPED}/{day}"] = [ok([bar(day, 10.0 + offset, symbol) for symbol in symbols])]
