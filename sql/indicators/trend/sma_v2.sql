/* ---
name: sma
version: 2
aliases: [ma]
title: Simple moving average.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [sma]
price_like: [sma]
warmup: n - 1
lookback: n - 1
formula: mean of the last n values
difference: 9e-15
reference: equal to TA-Lib SMA
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO sma_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of sma')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN avg(x) OVER w END AS sma
FROM bars
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
