/* ---
name: vwap_anchored
version: 1
aliases: [avwap]
title: Volume-weighted average price since an anchor.
status: active
grain: one row per symbol and date
params: {anchor: "date_trunc('month', date)"}
columns: [high, low, close, volume]
returns: [vwap_anchored]
price_like: [vwap_anchored]
warmup: 0
lookback: all
formula: cumulative sum of (high + low + close) / 3 * volume, divided by that of volume, which both start again at each bar
  where the expression anchor differs from the bar before; NULL until there is volume. `date_trunc('year', date)` anchors
  at the first session of each year, `date >= DATE '2026-03-02'` at one day (and at the first bar)
difference: 1e-15
reference: equal to TradingView's VWAP with the anchor period month, and pandas-ta vwap with anchor M; see vwap for the
  average since the first bar. The sums are windows over the partitions symbol and run, so that the compiled query
  joins this macro
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO vwap_anchored_v1(src, anchor) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(volume AS DOUBLE) AS v,
        (CAST(high AS DOUBLE) + CAST(low AS DOUBLE) + CAST(close AS DOUBLE)) / 3e0 AS price,
        CASE WHEN anchor IS DISTINCT FROM lag(anchor) OVER w THEN 1 ELSE 0 END AS starts
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND is_finite_v1(volume)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
runs AS (
    SELECT symbol, date, v, price * v AS money,
        sum(starts) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
    FROM bars
)
SELECT symbol, date, sum(money) OVER w / nullif(sum(v) OVER w, 0) AS vwap_anchored
FROM runs
WINDOW w AS (PARTITION BY symbol, run ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW);
