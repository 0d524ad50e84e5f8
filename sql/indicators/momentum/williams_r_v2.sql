/* ---
name: williams_r
version: 2
aliases: [willr]
title: Williams %R.
status: active
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, close]
returns: [williams_r]
scale: {williams_r: 100}
units: {williams_r: "-100 to 0"}
warmup: n - 1
lookback: n - 1
formula: "-100 * (highest high - close) / (highest high - lowest low) of the last n bars; 0 where high and low are the
  same"
difference: 1e-15
reference: equal to TA-Lib WILLR
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO williams_r_v2(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x,
        row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
        AND at_least_v1(n, 2, 'the period n of williams_r')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
extremes AS (
    SELECT symbol, date, k, x, max(h) OVER w AS highest, min(l) OVER w AS lowest
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= n - 1 THEN
        CASE WHEN highest = lowest THEN 0e0 ELSE -100 * (highest - x) / (highest - lowest) END END AS williams_r
FROM extremes;
