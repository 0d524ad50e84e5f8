/* ---
name: choppiness
version: 1
aliases: [chop]
title: Choppiness index.
status: active
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, close]
returns: [choppiness]
scale: {choppiness: 100}
units: {choppiness: "ratio, about 0 to 100"}
warmup: n
lookback: n
formula: 100 * log(sum of the true range (as in atr) / (highest high - lowest low)) / log(n), over the last n bars;
  about 100 where the price goes nowhere, about 0 in a straight trend; NULL where high and low are the same
difference: 1e-15
reference: E. W. Dreiss; equal to TradingView and pandas-ta; Skender.Stock.Indicators includes the previous closes in
  the highest high and the lowest low
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO choppiness_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        lag(CAST(close AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
        AND at_least_v1(n, 2, 'the period n of choppiness')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
ranges AS (
    SELECT symbol, date, k, h, l, true_range_v1(h, l, before) AS true_range
    FROM bars
),
spans AS (
    SELECT symbol, date, k, sum(true_range) OVER w AS path, max(h) OVER w - min(l) OVER w AS span
    FROM ranges
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date, CASE WHEN k >= n AND span > 0 THEN 100 * ln(path / span) / ln(n) END AS choppiness
FROM spans;
