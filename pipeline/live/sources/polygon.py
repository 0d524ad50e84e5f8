"""`polygon`: Polygon's websocket (Massive, since 2025): aggregates per second or minute, or trades, of US stocks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote

import msgspec

from stockstream.pipeline.configuration import Settings, settings
from stockstream.pipeline.env_file import is_loopback
from stockstream.pipeline.errors import SourceError, UsageError
from stockstream.pipeline.live.connection import SILENCE, kept_open
from stockstream.pipeline.live.events import KINDS, Day, Event, Minute, Number, Second
from stockstream.pipeline.live.sources.base import Feed, Plan, yahoo_days
from stockstream.pipeline.live.yahoo_day import YahooDays
from stockstream.pipeline.polygon_api import PolygonApi
from stockstream.pipeline.setting_fields import EnvironmentSettings, setting
from stockstream.sql.text import one_line

_SPANS = {"A": "second", "AM": "minute"}
"""Polygon's name of the aggregates of a channel in its REST API."""
_PER_SUBSCRIPTION = 500
"""Symbols per message."""

_GOOD = ("success", "connected", "auth_success")


class _Row(msgspec.Struct):
    """An aggregate as the REST API has it."""

    v: Number
    o: float
    h: float
    l: float  # noqa: E741 (the vendor's name)
    c: float
    t: int


class _Answer(msgspec.Struct):
    results: list[_Row] | None = None


@dataclass(frozen=True, kw_only=True)
class PolygonFeedSettings(EnvironmentSettings):
    """The settings of this source alone."""

    url: str = setting(
        "wss://socket.polygon.io/stocks", "STOCKSTREAM_POLYGON_STREAM_URL", "Address of Polygon's websocket"
    )


@dataclass
class PolygonFeed(Feed):
    """The websocket at `url`, with the API key of the REST API, of which one connection is allowed."""

    name = "polygon"
    has_lease = True
    has_all = True
    url: str = ""
    key: str = field(default="", repr=False)
    api: PolygonApi | None = None
    silence: float = SILENCE
    days: YahooDays | None = None

    @classmethod
    def open(cls, argument: str, plan: Plan) -> Self:
        """Return the source with the key and the address of the settings."""
        if argument:
            raise UsageError(f"--source polygon:{argument}: the source polygon has no argument")
        return cls.with_settings(plan, settings())

    @classmethod
    def with_settings(cls, plan: Plan, values: Settings) -> Self:
        """Return the source with the key and the address of some settings.

        Raises:
            UsageError: they have no key, or the market is another one.
        """
        if plan.market.name != "US":
            raise UsageError(f"--source polygon has the US market, not {plan.market.name}")
        if values.polygon_key is None:
            raise UsageError(
                "set POLYGON_API_KEY or MASSIVE_API_KEY in the environment: --source polygon needs the key"
            )
        url = values.polygon_host(PolygonFeedSettings.read().url)
        if not url.startswith("wss://") and not (url.startswith("ws://") and is_loopback(url)):
            raise UsageError(f"STOCKSTREAM_POLYGON_STREAM_URL={url} would send the key in the clear: write wss://…")
        return cls(plan, url=url, key=values.polygon_key.text.strip(), api=PolygonApi.from_settings(values))

    @property
    def kind(self) -> type[Event] | None:  # type: ignore[override]
        """The type of the events of the channel."""
        return KINDS[self.plan.channel]

    @property
    def has_repair(self) -> bool:  # type: ignore[override]
        """Whether the REST API has the aggregates of the channel."""
        return self.plan.channel in _SPANS

    async def frames(self, skip: int = 0) -> AsyncIterator[bytes]:
        """Yield the frames with events."""
        of = self.plan.session, self.stats, self.notes
        stream = kept_open(self.url, self._greet, self._has_events, *of, silence=self.silence)
        async with aclosing(stream) as frames:  # type: ignore[type-var]
            async for frame in frames:
                yield frame

    async def _greet(self, socket: Any) -> None:
        """Log in and subscribe.

        Raises:
            SourceError: the vendor refuses the key.
        """
        await self._expect(socket, "connected", "success")
        await socket.send(json.dumps({"action": "auth", "params": self.key}))
        await self._expect(socket, "auth_success")
        symbols = list(self.plan.symbols)
        for at in range(0, max(len(symbols), 1), _PER_SUBSCRIPTION):
            part = symbols[at : at + _PER_SUBSCRIPTION] or ["*"]
            params = ",".join(f"{self.plan.channel}.{symbol}" for symbol in part)
            await socket.send(json.dumps({"action": "subscribe", "params": params}))

    async def _expect(self, socket: Any, *statuses: str) -> None:
        """Read until one of some statuses arrives.

        Raises:
            SourceError: the key is refused, or its plan does not include the feed.
        """
        while True:
            for message in _statuses(await socket.recv(decode=False)):
                if message.get("status") in statuses:
                    return
                if message.get("status") in ("auth_failed", "auth_timeout", "not_authorized"):
                    raise SourceError(f"polygon refuses the key of POLYGON_API_KEY: {self._text(message)}")
                self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        """Keep what the vendor reports for the status of the stream: too many connections, a symbol that is refused."""
        if message.get("ev") == "status" and message.get("status") not in _GOOD:
            self.stats["vendor_errors"] += 1
            self.notes["vendor"] = self._text(message)

    def _text(self, message: dict[str, Any]) -> str:
        return one_line(str(message.get("message") or message["status"]).replace(self.key, "***"))[:200]

    def _has_events(self, frame: bytes) -> bool:
        """Return whether a frame is one to be journaled: not one that consists of messages about the connection."""
        if b'"status"' not in frame[:40]:
            return True
        messages = _statuses(frame)
        for message in messages:
            self._note(message)
        return not all(one.get("ev") == "status" for one in messages)

    def day_events(self, symbol: str) -> list[Any]:
        """Return the aggregates of the day so far from the REST API."""
        session, api = self.plan.session, self.api
        if session is None or api is None:
            raise SourceError("polygon: no session to repair")
        kind = Second if self.plan.channel == "A" else Minute
        path = (
            f"/v2/aggs/ticker/{quote(symbol, safe='')}/range/1/{_SPANS[self.plan.channel]}"
            f"/{session.day_from}/{session.day_until - 1}"
        )
        events: list[Any] = []
        for text in api.pages(path, adjusted="false", sort="asc", limit=50000):
            try:
                rows = msgspec.json.decode(text, type=_Answer).results or ()
            except msgspec.DecodeError as error:
                raise SourceError(f"polygon {path}: an aggregate that cannot be read ({error})") from None
            events += [kind(symbol, row.v, row.o, row.h, row.l, row.c, row.t) for row in rows]
        return events

    def day_so_far(self, symbol: str) -> Day | None:
        """Return the day of a symbol from Yahoo's chart, for a key whose plan does not include the REST API."""
        self.days = self.days or yahoo_days(self.plan)
        return self.days.day(symbol)

    def splits(self) -> Mapping[str, float]:
        """Return the splits whose execution date is the session."""
        if self.plan.session is None or self.api is None:
            return {}
        ratios: dict[str, float] = {}
        for text in self.api.pages("/v3/reference/splits", execution_date=self.plan.session.date, limit=1000):
            for row in json.loads(text).get("results") or ():
                try:
                    ratios[str(row["ticker"])] = float(row["split_to"]) / float(row["split_from"])
                except (KeyError, TypeError, ValueError, ZeroDivisionError):
                    self.stats["unreadable_splits"] += 1
        return ratios


def _statuses(frame: bytes) -> list[dict[str, Any]]:
    try:
        content = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []
