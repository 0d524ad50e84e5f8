"""What a month comes to: the price list, and what is free of it."""

from __future__ import annotations

import json

import pytest

from stockstream.terraform.costs import PRICES, monthly


def test_a_months_use_is_priced_and_what_is_free_taken_off() -> None:
    listed = json.loads(PRICES.read_text())
    price, free = listed["prices"]["states_transition"], listed["always_free"]["states_transition"]
    (few,) = monthly({"states_transition": free / 2})
    (many,) = monthly({"states_transition": 3 * free})
    assert (few.dollars, few.after_allowance) == (pytest.approx(free / 2 * price), 0)
    assert (many.dollars, many.after_allowance) == (pytest.approx(3 * free * price), pytest.approx(2 * free * price))


def test_what_has_no_price_is_not_taken_for_free() -> None:
    with pytest.raises(KeyError, match="gold"):
        monthly({"gold": 1})
