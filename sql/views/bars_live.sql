/* ---
name: bars_live
title: "The bars in today's shares (bars_split_adjusted), and the live bars whose batch bar is not there yet."
status: active
grain: one row per symbol and date
needs: [bars_split_adjusted, latest_bars, live]
prices: split-adjusted
returns: "symbol, date, open, high, low, close, volume, dividend (cash of this ex-date, money per share, 0 if none),
  split_ratio (new shares per old share of this ex-date, ratio, 1 if none), is_live (true: a live bar, false: a bar of
  the batch), at (time of the newest event of a live bar, UTC, NULL otherwise), missed (shares that the feed reports
  and no event of the live bar had, 0 otherwise)"
reference: a live bar disappears when the lake has a bar of its symbol for its session or a later one. Before the batch
  knows the split of a session, the bars before it are adjusted by the split_ratio of the live bar
example: FROM rsi('bars_live', 14) WHERE symbol = 'BHP' ORDER BY date DESC LIMIT 5
changes:
  - 2026-11-27 first version
  - 2026-11-27 one look at the newest bars, which a filter on the symbol reaches
--- */
CREATE OR REPLACE VIEW bars_live AS
WITH arrived AS (
    SELECT
        symbol, max(date) FILTER (WHERE close IS NOT NULL) AS last_bar,
        list(date) FILTER (WHERE split_ratio <> 1) AS split_days
    FROM latest_bars
    WHERE date >= (SELECT min(session) FROM live)
    GROUP BY symbol
),
awaited AS (
    SELECT
        l.symbol, l.session, l.open, l.high, l.low, l.close, l.volume, l.split_ratio, l.at, l.missed,
        coalesce(list_contains(a.split_days, l.session), false) AS has_split
    FROM live AS l
    LEFT JOIN arrived AS a ON a.symbol = l.symbol
    WHERE coalesce(a.last_bar < l.session, true)
),
-- A row that is pending already brings the split: then it is in bars_split_adjusted.
factors AS (
    SELECT
        symbol,
        lag(session, 1, DATE '0001-01-01') OVER (PARTITION BY symbol ORDER BY session) AS since,
        session AS until,
        product(split_ratio) OVER (
            PARTITION BY symbol ORDER BY session ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS later_splits
    FROM awaited
    WHERE split_ratio <> 1 AND NOT has_split
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
