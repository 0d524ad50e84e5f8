"""The dividends and splits that a vendor lists: each counts once, and what cannot be used is reported.

Vendors list some events twice, correct a ratio by a second entry, and report dividends in the currency in which the
company declares them. The texts have the shape of Polygon's answers; other sources write theirs in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from uuid import uuid4

from duckdb import DuckDBPyConnection

Texts = tuple[list[str], list[str]]
"""The texts of the answers with dividends and with splits: `{"results": [{"ticker", "ex_dividend_date", …}]}`."""
PriceStep = Callable[[str, date], float | None]
"""Returns a symbol's previous close divided by its first price of a day; None if one of them is missing."""

# Some vendors give each event an id, as Polygon's newer plans. `reason` says why an event cannot be used.
_EVENTS = """
CREATE TEMP TABLE {table}_events AS
WITH listed AS (
    SELECT 'dividend' AS kind, unnest(from_json(page::JSON, '{{"results":["JSON"]}}').results) AS event
    FROM (SELECT unnest($dividends::VARCHAR[]) AS page)
    UNION ALL
    SELECT 'split_ratio' AS kind, unnest(from_json(page::JSON, '{{"results":["JSON"]}}').results) AS event
    FROM (SELECT unnest($splits::VARCHAR[]) AS page)
),
read AS (
    SELECT
        kind,
        event->>'$.ticker' AS symbol,
        TRY_CAST(coalesce(event->>'$.ex_dividend_date', event->>'$.execution_date') AS DATE) AS date,
        CASE kind WHEN 'dividend' THEN TRY_CAST(event->>'$.cash_amount' AS DOUBLE)
            ELSE TRY_CAST(event->>'$.split_to' AS DOUBLE) / nullif(TRY_CAST(event->>'$.split_from' AS DOUBLE), 0)
        END AS value,
        upper(coalesce(event->>'$.currency', $currency)) AS currency,
        coalesce(event->>'$.id', '#' || row_number() OVER ()) AS id,
        event->>'$.pay_date' AS pay_date,
        coalesce(event->>'$.dividend_type', '') AS type,
        CASE kind WHEN 'dividend' THEN concat_ws(' ', event->>'$.cash_amount', event->>'$.currency')
            ELSE concat(event->>'$.split_to', ':', event->>'$.split_from') END AS text
    FROM listed
    WHERE event->>'$.ticker' IN (SELECT unnest($symbols::VARCHAR[]))
)
SELECT
    kind, symbol, date, value, id, pay_date, type, text,
    CASE
        WHEN date IS NULL THEN 'no ex-date that can be read'
        WHEN value IS NULL OR NOT isfinite(value) THEN 'no number'
        WHEN kind = 'dividend' AND value < 0 THEN 'below 0'
        WHEN kind = 'split_ratio' AND value <= 0 THEN 'not above 0'
        WHEN kind = 'dividend' AND currency <> $currency THEN 'not in ' || $currency || ', the currency of the prices'
    END AS reason
FROM read
"""

# The same entry again has the same id, or the same amount, type and payment date (as far as the entries have one).
_DIVIDENDS = """
CREATE TEMP TABLE {table}_dividends AS
SELECT symbol, date, sum(amount) AS dividend, sum(entries) AS entries, sum(payments) AS payments
FROM (
    SELECT
        symbol, date, value * greatest(count(DISTINCT pay_date), 1) AS amount,
        sum(entries) AS entries, greatest(count(DISTINCT pay_date), 1) AS payments
    FROM (
        SELECT symbol, date, value, type, id, max(pay_date) AS pay_date, count(*) AS entries
        FROM {table}_events
        WHERE kind = 'dividend' AND reason IS NULL
        GROUP BY symbol, date, value, type, id
    )
    GROUP BY symbol, date, value, type
)
GROUP BY symbol, date
"""

_RATIOS = """
SELECT symbol, date, list(DISTINCT value ORDER BY value) AS ratios, list(DISTINCT text ORDER BY text), count(*)
FROM {table}_events
WHERE kind = 'split_ratio' AND reason IS NULL
GROUP BY symbol, date
ORDER BY symbol, date
"""


@dataclass
class Report:
    """What a person should know about the events so far."""

    vendor: str
    repeated: dict[tuple[str, str, date], None] = field(default_factory=dict)
    """Kind, symbol and ex-date of the events that are listed more than once."""
    decided: dict[str, None] = field(default_factory=dict)
    """One line per day with several splits of a symbol: which of them counts, and why."""

    def lines(self) -> list[str]:
        """Return the report as lines."""
        lines = list(self.decided)
        if self.repeated:
            kind, symbol, day = next(iter(self.repeated))
            word = "split" if kind == "split_ratio" else kind
            lines.append(
                f"{self.vendor} lists {len(self.repeated)} dividends or splits more than once, which count once; "
                f"the first: the {word} of {symbol} on {day}"
            )
        return lines


@contextmanager
def event_tables(
    con: DuckDBPyConnection, texts: Texts, symbols: list[str], currency: str, price_step: PriceStep, report: Report
) -> Iterator[str]:
    """Create temporary tables of the events of some symbols; yield the prefix of their names.

    `…_dividends` and `…_splits` have one row per symbol and day, `…_events` every entry, with the reason if it cannot
    be used. A split_ratio is NULL if several are listed for the day and the price step supports none of them.
    """
    table = f"vendor_{uuid4().hex}"
    dividends, splits = texts
    values = {"dividends": dividends, "splits": splits, "symbols": symbols, "currency": currency}
    try:
        con.execute(_EVENTS.format(table=table), values)
        con.execute(_DIVIDENDS.format(table=table))
        con.execute(f"CREATE TEMP TABLE {table}_splits (symbol VARCHAR, date DATE, split_ratio DOUBLE)")
        for symbol, day, ratios, names, entries in con.execute(_RATIOS.format(table=table)).fetchall():
            ratio = ratios[0] if len(ratios) == 1 else _supported(ratios, price_step(symbol, day))
            con.execute(f"INSERT INTO {table}_splits VALUES ($1, $2, $3)", [symbol, day, ratio])
            if len(ratios) > 1:
                choice = (
                    "the price step supports none of them" if ratio is None else f"the price step supports {ratio:g}"
                )
                report.decided[
                    f"{report.vendor} lists the splits {' and '.join(names)} of {symbol} on {day}: {choice}"
                ] = None
            if ratio is None:
                reason = "several splits on one day, and no price step that supports one of them"
                con.execute(
                    f"UPDATE {table}_events SET reason = $1 WHERE kind = 'split_ratio' AND symbol = $2 AND date = $3",
                    [reason, symbol, day],
                )
            if entries > len(ratios):
                report.repeated["split_ratio", symbol, day] = None
        repeated = f"SELECT symbol, date FROM {table}_dividends WHERE entries > payments ORDER BY date, symbol"
        for symbol, day in con.execute(repeated).fetchall():
            report.repeated["dividend", symbol, day] = None
        yield table
    finally:
        for part in ("events", "dividends", "splits"):
            con.execute(f"DROP TABLE IF EXISTS {table}_{part}")


def _supported(ratios: list[float], step: float | None) -> float | None:
    """Return the ratio that is nearest to a step of the prices, as a proportion; None if no split at all is nearer.

    All splits together are a candidate, too: 1 for 100 and 100 for 1 on one day buy out the small holders.
    """
    if step is None:
        return None
    together = math.prod(ratios)
    candidates = ratios if any(math.isclose(together, ratio) for ratio in ratios) else [*ratios, together]
    nearest = min(candidates, key=lambda ratio: abs(math.log(step / ratio)))
    at_par = math.isclose(nearest, 1.0)
    return nearest if at_par or abs(math.log(step / nearest)) < abs(math.log(step)) else None
