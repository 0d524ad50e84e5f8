/* ---
name: bars_live
title: "The bars in today's shares (bars_split_adjusted), and the live bars whose batch bar is not there yet."
status: active
grain: one row per symbol and date
needs: [bars, bars_split_adjusted, latest_bars, live]
returns: symbol, date, open, high, low, close, volume, dividend, split_ratio, is_live, at (UTC, of a live bar), missed
reference: a live bar disappears when the lake has a bar of its symbol for its session or a later one. Before the batch
  knows the split of a session, the bars before it are adjusted by the split_ratio of the live bar
example: FROM rsi('bars_live', 14) WHERE symbol = 'BHP' ORDER BY date DESC LIMIT 5
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW bars_live AS
WITH awaited AS (
    SELECT
        l.symbol, l.session, l.open, l.high, l.low, l.close, l.volume, l.split_ratio, l.at, l.missed
    FROM live AS l
    ANTI JOIN bars AS b ON b.symbol = l.symbol AND b.date >= l.session
),
-- A row that is pending already brings the split: then it is in bars_split_adjusted.
splits AS (
    SELECT a.symbol, a.session, a.split_ratio
    FROM awaited AS a
    ANTI JOIN latest_bars AS b ON b.symbol = a.symbol AND b.date = a.session AND b.split_ratio <> 1
    WHERE a.split_ratio <> 1
),
factors AS (
    SELECT
        symbol,
        lag(session, 1, DATE '0001-01-01') OVER (PARTITION BY symbol ORDER BY session) AS since,
        session AS until,
        product(split_ratio) OVER (
            PARTITION BY symbol ORDER BY session ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS later_splits
    FROM splits
),
together AS (
    SELECT
        symbol, date, open, high, low, close, CAST(volume AS DOUBLE) AS volume, dividend, split_ratio,
        false AS is_live, CAST(NULL AS TIMESTAMP) AS at, 0.0 AS missed
    FROM bars_split_adjusted
    UNION ALL
    SELECT
        a.symbol, a.session AS date, a.open, a.high, a.low, a.close, a.volume, 0.0 AS dividend, a.split_ratio,
        true AS is_live, a.at, a.missed
    FROM awaited AS a
)
SELECT
    b.symbol,
    b.date,
    b.open / coalesce(f.later_splits, 1.0) AS open,
    b.high / coalesce(f.later_splits, 1.0) AS high,
    b.low / coalesce(f.later_splits, 1.0) AS low,
    b.close / coalesce(f.later_splits, 1.0) AS close,
    CAST(round(b.volume * coalesce(f.later_splits, 1.0)) AS BIGINT) AS volume,
    b.dividend / coalesce(f.later_splits, 1.0) AS dividend,
    b.split_ratio,
    b.is_live,
    b.at,
    CAST(b.missed AS DOUBLE) AS missed
FROM together AS b
LEFT JOIN factors AS f ON f.symbol = b.symbol AND b.date >= f.since AND b.date < f.until;
