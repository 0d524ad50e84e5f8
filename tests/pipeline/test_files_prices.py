"""What the prices of files contain: total returns, and actions derived from the adjusted close."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.runner import run
from stockstream.pipeline.sources import open_source
from tests.pipeline.test_files_layouts import read

CLOSES = (100.0, 101.0, 97.5, 99.0, 48.0, 49.25, 50.0)
DIVIDENDS = (0.0, 0.0, 2.0, 0.0, 0.0, 0.75, 0.0)


def days(count: int) -> list[str]:
    return [f"2024-01-{day:02}" for day in (2, 3, 4, 5, 8, 9, 10, 11, 12)][:count]


def test_the_view_of_adjusted_bars_returns_the_total_return_prices_of_the_file(tmp_path: Path) -> None:
    rows = zip(days(7), CLOSES, DIVIDENDS, strict=True)
    text = "Date,Open,Close,Dividends\n" + "".join(f"{day},{close},{close},{cash}\n" for day, close, cash in rows)
    (tmp_path / "A.csv").write_text(text)
    lake = Lake(str(tmp_path / "lake"))
    us = MARKETS["US"]
    run(lake, open_source(f"files:{tmp_path}/A.csv", us, settings(), prices="total-return"), us, day=date(2024, 3, 1))
    with lake.session() as con:
        adjusted = con.sql("SELECT open, close FROM bars_adjusted ORDER BY date").fetchall()
        stored = con.sql("SELECT close, adjusted_close FROM bars ORDER BY date").fetchall()
    assert [close for _, close in adjusted] == pytest.approx(CLOSES, rel=1e-12)
    assert [open for open, _ in adjusted] == pytest.approx(CLOSES, rel=1e-12)
    assert [adjusted for _, adjusted in stored] == list(CLOSES)
    assert stored[4][0] == pytest.approx(48.0 + 0.75)
    assert stored[1][0] == pytest.approx(101.0 * (1 + 2.0 / 101.0 + 0.75 / 48.0))


@pytest.mark.parametrize(
    ("digits", "dividend", "is_derived"), [(2, 0.05, True), (2, 0.006, False), (6, 0.002, True), (4, 0.0001, False)]
)
def test_the_tolerance_of_derived_dividends_follows_from_the_digits(
    digits: int, dividend: float, is_derived: bool, tmp_path: Path
) -> None:
    closes = (10.37, 10.41, 10.12, 10.53)
    factor = 1 - dividend / closes[1]
    rows = [
        f"{day},{close:.2f},{close * (factor if at < 2 else 1):.{digits}f}\n"
        for at, (day, close) in enumerate(zip(days(4), closes, strict=True))
    ]
    files = {"A.csv": "Date,Close,Adj Close\n" + "".join(rows)}
    result = read(tmp_path, files, select="dividend", derive_actions=True, prices="as-traded")
    derived = [row[0] for row in result.rows]
    assert derived == pytest.approx([0, 0, dividend if is_derived else 0, 0], abs=10**-digits)
    assert is_derived or "too small" in result.notes[0]
