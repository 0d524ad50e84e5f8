"""Folding a report of the day so far, as Yahoo sends it: what earlier reports lacked is in the next one."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from stockstream.pipeline.live.bar import MAX_PRICE, MAX_VOLUME, SCALE, Bar, split_between
from stockstream.pipeline.live.events import Day

if TYPE_CHECKING:
    from stockstream.pipeline.live.fold import Fold


def fold_day(fold: Fold, bar: Bar, event: Day) -> bool:
    """Fold a report into the bar of its symbol; return whether it changed the bar."""
    session, at, price = fold.session, event.at, event.price
    high, low = max(price, event.high), min(price, event.low or price)
    is_possible = 0 < low <= high < MAX_PRICE and (event.open == 0 or low <= event.open <= high)
    if not is_possible or 0 < event.high < event.low:
        fold.counts["impossible price"] += 1
        return False
    if not 0 <= event.volume < MAX_VOLUME:
        fold.counts["impossible volume"] += 1
        return False
    if not session.day_from <= at < fold.until:
        fold.count_time(at)
        return False
    if not event.is_regular or at < session.opens:
        fold.counts["outside the session"] += 1
        return False
    shares = round(event.volume * SCALE)
    if at == bar.closing and shares <= bar.volume:  # Yahoo's times have seconds, in which there may be several reports
        fold.counts["duplicate"] += 1
        return False
    if bar.events == 0:
        bar.begin(event.open or price, high, low)
        bar.first = at
    bar.events += 1
    bar.trade_at(high, low)
    if event.open and not bar.day_open:
        bar.open_officially(event.open)
    if at < bar.closing:
        bar.late += 1
        return True
    bar.closing = bar.last = bar.at = at
    bar.close = price
    if shares:
        bar.volume = bar.total = shares
    if event.previous_close:
        _compare(fold, bar, event.previous_close)
    return True


def _compare(fold: Fold, bar: Bar, previous_close: float) -> None:
    """Take the source's previous close, which contains the split of the session if there is one."""
    before = bar.previous_close
    if not 0 < previous_close < MAX_PRICE:
        fold.counts["impossible previous close"] += 1
        return
    if before and bar.symbol in fold.recent and bar.split_ratio == 1:
        ratio = split_between(before, previous_close)
        # After a split, the price is near the new previous close. Otherwise the source's number is wrong.
        if ratio != 1 and abs(log(bar.close / previous_close)) > abs(log(bar.close / before)):
            fold.counts["impossible previous close"] += 1
            return
        bar.split_ratio = ratio
    bar.previous_close = previous_close
