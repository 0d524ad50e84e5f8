"""The hub: subscribers in the process receive each live bar that changes, as text for server-sent events.

A subscriber has at most one bar per symbol waiting. One that is slow misses the states between, never the newest, and
costs no memory and no time: what waits are the names of bars, and their text is made when it is taken, once for all
subscribers. The hub belongs to the thread of the event loop, as the fold does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Self

import msgspec

from stockstream.pipeline.live.bar import Bar
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.state import columns_of
from stockstream.pipeline.symbols import matching

_UNKNOWN = "{names}: neither in the list of companies nor in the bars"


class Subscription:
    """The bars that changed since a subscriber last took them. Use it with `with`, and iterate, or `take`."""

    def __init__(self, hub: Hub, symbols: frozenset[str] | None) -> None:
        self.symbols = symbols
        """The symbols; None: all."""
        self.conflated = 0
        """Number of changes that were replaced by newer ones before they were taken."""
        self._hub = hub
        self._waiting: dict[str, None] = {}
        self._ready = asyncio.Event()

    def add(self, names: Iterable[str]) -> None:
        """Let bars wait, by the feed's name of the symbol."""
        before, count = len(self._waiting), 0
        for name in names:
            self._waiting[name] = None
            count += 1
        self.conflated += count - (len(self._waiting) - before)
        if count:
            self._ready.set()

    async def take(self) -> dict[str, bytes]:
        """Wait for a change; return the newest state of all bars that changed, by symbol: a JSON object each."""
        await self._ready.wait()
        self._ready.clear()
        waiting, self._waiting = self._waiting, {}
        return self._hub.texts(waiting)

    def close(self) -> None:
        """End the subscription."""
        self._hub.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[dict[str, bytes]]:
        while True:
            yield await self.take()


class Hub:
    """The subscriptions to the bars of a fold."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._to_all: dict[Subscription, None] = {}
        self._by_symbol: dict[str, dict[Subscription, None]] = {}
        self._texts: dict[str, bytes] = {}

    @property
    def subscriptions(self) -> int:
        """The number of subscriptions."""
        return len({*self._to_all, *(one for some in self._by_symbol.values() for one in some)})

    def subscribe(self, symbols: Iterable[str] | None = None) -> Subscription:
        """Return a subscription to some symbols, or to all; the bars that are there already wait in it.

        Raises:
            UsageError: the lake does not know a symbol.
        """
        if symbols is not None and self._fold.names is not None:
            symbols = matching(symbols, set(self._fold.names.values()), _UNKNOWN)
        subscription = Subscription(self, None if symbols is None else frozenset(symbols))
        for symbol in subscription.symbols or ():
            self._by_symbol.setdefault(symbol, {})[subscription] = None
        if subscription.symbols is None:
            self._to_all[subscription] = None
        bars = self._fold.bars.items()
        chosen = subscription.symbols
        subscription.add(name for name, bar in bars if bar.events and (chosen is None or bar.symbol in chosen))
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """End a subscription; nothing if it has ended."""
        self._to_all.pop(subscription, None)
        for symbol in subscription.symbols or ():
            listed = self._by_symbol.get(symbol, {})
            listed.pop(subscription, None)
            if not listed:
                self._by_symbol.pop(symbol, None)

    def publish(self, changed: Mapping[str, Bar]) -> None:
        """Let bars that changed wait in the subscriptions, by the feed's name of the symbol."""
        if not self._to_all and not self._by_symbol:
            self._texts.clear()
            return
        names = [name for name, bar in changed.items() if bar.events]
        for name in names:
            self._texts.pop(name, None)
        for subscription in self._to_all:
            subscription.add(names)
        if self._by_symbol:
            for name in names:
                for subscription in self._by_symbol.get(changed[name].symbol, ()):
                    subscription.add((name,))

    def texts(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the columns of bars as JSON objects, by symbol."""
        texts: dict[str, bytes] = {}
        for name in names:
            bar = self._fold.bars[name]
            text = self._texts.get(name)
            if text is None:
                text = self._texts[name] = msgspec.json.encode(columns_of(bar))
            texts[bar.symbol] = text
        return texts
