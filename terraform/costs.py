"""The monthly costs of the pipeline, from the measured use of a run and the price list in `prices.json`.

`python -m tests.benchmarks.deploy` measures and prints them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PRICES = Path(__file__).with_name("prices.json")


@dataclass(frozen=True)
class Cost:
    """One line of a bill: an amount, and its price in US dollars, at list price and after AWS's permanent free tier."""

    what: str
    amount: float
    dollars: float
    after_allowance: float


def monthly(usage: Mapping[str, float]) -> list[Cost]:
    """Return the costs of a month's usage. The keys of `usage` are those of `prices.json`.

    Raises:
        KeyError: A key has no price.
    """
    price_list = json.loads(PRICES.read_text())
    prices, free = price_list["prices"], price_list["always_free"]
    return [
        Cost(what, amount, amount * prices[what], max(0.0, amount - free.get(what, 0)) * prices[what])
        for what, amount in usage.items()
    ]
