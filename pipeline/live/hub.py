"""The hub: subscribers in the process receive each live bar that changes, as text for server-sent events.

A subscriber has at most one bar per symbol waiting. One that is slow misses the states between, never the newest, and
costs no memory and no time: what waits are the names of bars, and their text is made when it is taken, once for all
subscribers. The hub belongs to the thread of the event loop, as the fold does. It outlives a session: the stream of the
next one goes on with the same subscribers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Self

import msgspec

from stockstream.pipeline.live.bar import Bar
from stockstream.pipeline.live.fold import Fold
from stockstream.pipeline.live.state import columns_of


class Subscription:
    """The bars that changed since a subscriber last took them. Use it with `with`, and iterate, or `take`."""

    def __init__(self, hub: Hub, symbols: set[str] | None) -> None:
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

    def wake(self) -> None:
        """End the wait of `take`, which then may return nothing."""
        self._ready.set()

    def forget(self) -> None:
        """Drop what waits, and let the bars of the subscription that are there now wait."""
        self._waiting.clear()
        self.add(self._hub.names(self.symbols))

    def extend(self, symbols: Iterable[str]) -> None:
        """Add symbols; their bars wait at once. A subscription to all symbols has them already."""
        if self.symbols is not None:
            new = {*symbols} - self.symbols
            self.symbols |= new
            self._hub.register(self, new)
            self.add(self._hub.names(new))

    def reduce(self, symbols: Iterable[str]) -> None:
        """Remove symbols; nothing waits of them any more."""
        if self.symbols is not None:
            old = {*symbols} & self.symbols
            self.symbols -= old
            self._hub.unregister(self, old)
            for name in self._hub.names(old):
                self._waiting.pop(name, None)

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

    def __init__(self, fold: Fold | None = None) -> None:
        self.fold = fold
        """The bars of the newest session; None before the first."""
        self._to_all: dict[Subscription, None] = {}
        self._by_symbol: dict[str, dict[Subscription, None]] = {}
        self._texts: dict[str, bytes] = {}

    def begin(self, fold: Fold) -> None:
        """Go on with the bars of another fold: all of them wait, and none of the one before."""
        self.fold = fold
        self._texts.clear()
        for subscription in self._subscribed():
            subscription.forget()

    @property
    def subscriptions(self) -> int:
        """The number of subscriptions."""
        return len(self._subscribed())

    def _subscribed(self) -> set[Subscription]:
        return {*self._to_all, *(one for some in self._by_symbol.values() for one in some)}

    @property
    def symbols(self) -> set[str]:
        """The symbols that can have bars, as far as they are known."""
        if self.fold is None:
            return set()
        return {*(self.fold.names or {}).values(), *(bar.symbol for bar in self.fold.bars.values())}

    def names(self, symbols: set[str] | None) -> list[str]:
        """Return the bars of symbols (None: all) that are there, by the feed's name of the symbol."""
        bars = {} if self.fold is None else self.fold.bars
        return [name for name, bar in bars.items() if bar.events and (symbols is None or bar.symbol in symbols)]

    def subscribe(self, symbols: Iterable[str] | None = None) -> Subscription:
        """Return a subscription to some symbols, as the lake writes them, or to all.

        The bars that are there already wait in it.
        """
        subscription = Subscription(self, None if symbols is None else set())
        if symbols is None:
            self._to_all[subscription] = None
            subscription.forget()
        else:
            subscription.extend(symbols)
        return subscription

    def register(self, subscription: Subscription, symbols: Iterable[str]) -> None:
        """Let bars of symbols reach a subscription."""
        for symbol in symbols:
            self._by_symbol.setdefault(symbol, {})[subscription] = None

    def unregister(self, subscription: Subscription, symbols: Iterable[str]) -> None:
        """Let bars of symbols reach a subscription no more."""
        for symbol in symbols:
            listed = self._by_symbol.get(symbol, {})
            listed.pop(subscription, None)
            if not listed:
                self._by_symbol.pop(symbol, None)

    def remove(self, subscription: Subscription) -> None:
        """End a subscription; nothing if it has ended."""
        self._to_all.pop(subscription, None)
        self.unregister(subscription, subscription.symbols or ())

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
        """Return the session and the columns of bars as JSON objects, by symbol."""
        texts: dict[str, bytes] = {}
        if self.fold is None:
            return texts
        opening = b'{"session":"%s",' % self.fold.session.date.encode()
        for name in names:
            bar = self.fold.bars.get(name)
            if bar is None:  # its session was begun again
                continue
            text = self._texts.get(name)
            if text is None:
                text = self._texts[name] = opening + msgspec.json.encode(columns_of(bar))[1:]
            texts[bar.symbol] = text
        return texts
