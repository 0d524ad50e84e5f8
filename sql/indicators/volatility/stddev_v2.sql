/* ---
name: stddev
version: 2
aliases: [stdev]
title: Standard deviation of the last values.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [stddev]
price_like: [stddev]
warmup: n - 1
lookback: n - 1
formula: "population standard deviation (divided by n) of the last n values: square root of the mean of their squared
  deviations from their mean"
difference: 9e-10
reference: equal to TA-Lib STDDEV, which loses digits where the deviation is small compared with the value
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO stddev_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of stddev')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN stddev_pop(x) OVER w END AS stddev
FROM bars
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
