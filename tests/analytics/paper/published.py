"""A lake that gets one more generation per session, and a person's file with a strategy of every kind of order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from stockstream.analytics.backtest import Result, Session, backtest
from stockstream.analytics.paper.ledger import Ledger
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.sources import open_source
from stockstream.pipeline.steps.consolidate import run as consolidate
from stockstream.pipeline.steps.fetch_batch import run as fetch_batch
from tests.analytics.backtest.test_session import texts

US = MARKETS["US"]
DAYS = [day.date() for day in US.schedule(2026).loc["2026-03-02":].index[:40]]
SYMBOLS = ("AAA", "BBB", "CCC")
SPLIT, DIVIDEND = DAYS[33], DAYS[35]
"""BBB splits 2:1, and AAA pays 0.5."""

STRATEGY = '''
from stockstream.analytics.backtest import Action, Strategy

class Everything(Strategy):
    """Uses every kind of order, and keeps a tuple."""

    columns = ["lag(close, 2)", "history(close, 3)"]

    def __init__(self, size: float = 10) -> None:
        self.size = size
        self.seen = ()

    def state(self):
        return list(self.seen)

    def restore(self, state):
        self.seen = tuple(state)

    def on_data(self, date, symbol, data, portfolio):
        self.seen = (*self.seen[-4:], data.close)
        n, c, s = len(portfolio.transactions) + date.day, data.close, self.size
        return [
            [Action.buy(s, stop_loss=0.97 * c, take_profit=1.04 * c)],
            [Action.buy(s, limit=0.99 * c, day=True, tag="low"), Action.sell(s, limit=1.01 * c, oco="pair")],
            [Action.sell(s / 2, stop=0.985 * c, oco="pair"), Action.buy(s, trail_percent=1.5)],
            [Action.target_percent(15), Action.exits(trail_percent=2)],
            [Action.target(-s), Action.cancel("low")],
            [Action.buy(s, stop=1.005 * c, limit=1.02 * c), Action.sell(s, reduce_only=True)],
            [Action.close()] if portfolio.quantity(symbol) else None,
        ][n % 7]
'''


def rows(through: date, closes: Mapping[tuple[str, date], float] = {}, without_split: bool = False) -> str:
    """Return the bars up to a day as CSV, as traded; `closes` replaces some."""
    rng, lines = np.random.default_rng(3), ["symbol,date,open,high,low,close,volume,dividend,split_ratio"]
    for symbol in SYMBOLS:
        close = 40.0
        for day in DAYS:
            split = 2.0 if (symbol, day) == ("BBB", SPLIT) else 1.0
            opening = close / split * float(np.exp(rng.normal(0, 0.01)))
            close = opening * float(np.exp(rng.normal(0, 0.02)))
            if day > through or (symbol == "CCC" and day in DAYS[24:27]):  # a gap
                continue
            shown = closes.get((symbol, day), close)
            high, low = max(opening, shown) * 1.01, min(opening, shown) * 0.99
            dividend = 0.5 if (symbol, day) == ("AAA", DIVIDEND) else 0.0
            split = 1.0 if without_split else split
            lines.append(f"{symbol},{day},{opening},{high},{low},{shown},1000,{dividend},{split}")
    return "\n".join(lines) + "\n"


def publish(lake: Lake, folder: Path, text: str, day: date) -> int | None:
    """Store bars and publish them; return the generation."""
    fetch(lake, folder, text, day)
    return consolidate({}, lake)["generation"]


def fetch(lake: Lake, folder: Path, text: str, day: date) -> None:
    """Store bars."""
    path = folder / f"bars-{day}-{len(list(folder.iterdir()))}.csv"
    path.write_text(text)
    now = datetime(day.year, day.month, day.day, 23, tzinfo=UTC)
    lake.prepare(US, day)
    source = open_source(f"files:{path}", US, settings(), prices="as-traded")
    event: Any = {"symbols": [*SYMBOLS], "batchNumber": 0, "date": str(day), "start": str(DAYS[0]), "end": str(day)}
    result = fetch_batch(event, lake, source, US, now)
    assert not result["missing"], result


def strategy_file(folder: Path) -> Path:
    path = folder / "my.py"
    path.write_text(STRATEGY)
    return path


def result_of(ledger: Ledger, lake: Lake) -> Result:
    """Return the result of an account, from its last state, on the newest generation."""
    position = ledger.read()
    account = position.account
    with Session(account.new_strategy(), lake.uri, **account.settings) as session:
        session.restore(json.loads(json.dumps(position.engine)))
        return session.result()


def assert_is_backtest(ledger: Ledger, lake: Lake, generation: int | None = None) -> Result:
    """Check that an account is the backtest of its days, to the last bit."""
    position = ledger.read()
    account = position.account
    whole = backtest(account.new_strategy(), lake.uri, as_of=generation, **account.settings, end=position.sessions[-1])
    assert whole.error is None
    assert texts(result_of(ledger, lake)) == texts(whole)
    return whole
