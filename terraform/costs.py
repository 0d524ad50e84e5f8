"""What the pipeline costs a month, from what a run was measured to use and the price list, `prices.json`.

`python -m tests.benchmarks.deploy` measures and prints it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PRICES = Path(__file__).with_name("prices.json")


@dataclass(frozen=True)
class Cost:
    """One line of a bill: how much of what, in US dollars at list price, and less what AWS always gives for free."""

    what: str
    amount: float
    dollars: float
    after_allowance: float


def monthly(usage: Mapping[str, float]) -> list[Cost]:
    """Price a month's usage, whose names are those of `prices.json`.

    Raises:
        KeyError: something in it has no price.
    """
    listed = json.loads(PRICES.read_text())
    prices, free = listed["prices"], listed["always_free"]
    return [
        Cost(what, amount, amount * prices[what], max(0.0, amount - free.get(what, 0)) * prices[what])
        for what, amount in usage.items()
    ]
