"""Superseded versions stay callable and return the same values; test_catalogue.py compares versions.lock."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stockstream.sql.catalogue import Indicator, catalogue
from tests.analytics.test_cli import run_cli
from tests.sql.indicators._bars import WAYS, Bars, connection, fetch, random_bars
from tests.sql.indicators.oracles import cases_of

SUPERSEDED = [one for one in catalogue().indicators if one.header.status == "superseded"]


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Return bars with prices in quarters: their sums are exact, so both versions of each indicator are equal."""
    walk = random_bars(14, 400)
    return {name: np.round(values * 4) / 4 for name, values in walk.items()}


@pytest.mark.parametrize("one", SUPERSEDED, ids=lambda one: one.macro)
def test_a_superseded_version_returns_the_same(one: Indicator, bars: Bars) -> None:
    expected = cases_of(catalogue().find(one.macro.replace("_v1", "_v2"))[0])[0].expected(bars)
    with connection({"A": bars}) as con:
        for way in WAYS:
            columns = fetch(con, [one.macro], way)["A"]
            for name in one.returns:
                np.testing.assert_allclose(columns[name], expected[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_lists_leave_superseded_versions_out() -> None:
    listed = json.loads(run_cli("indicators", "list", "--json").out)
    assert len(listed) == len({one["name"] for one in listed}) == len(catalogue().newest)
    assert "rsi_v1" in run_cli("indicators", "show", "rsi_v1").out
