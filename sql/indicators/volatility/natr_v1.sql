/* ---
name: natr
version: 1
title: Normalised average true range.
status: active
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, close]
returns: [natr]
units: {natr: percent}
warmup: n
lookback: n + 28 * n
formula: 100 * atr(n) / close; 0 where the close is 0
difference: 2e-15
reference: J. Forman, Cross-Market Evaluations with Normalized Average True Range, Technical Analysis of Stocks &
  Commodities (2006); equal to TA-Lib NATR
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO natr_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        CAST(close AS DOUBLE) AS x, lag(CAST(close AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND at_least_v1(n, 2, 'the period n of natr')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
ranges AS (
    SELECT symbol, date, k, x, true_range_v1(h, l, before) AS true_range
    FROM bars
),
averages AS (
    SELECT symbol, date, k, x, wilder_of_v1(true_range, n, n, k) AS average
    FROM ranges
)
SELECT symbol, date, CASE WHEN k >= n THEN CASE WHEN x = 0 THEN 0e0 ELSE 100 * average / x END END AS natr
FROM averages;
