/* ---
name: zscore
version: 1
title: Standard score of a value among the last values.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [zscore]
scale: {zscore: 1}
units: {zscore: number of standard deviations}
warmup: n - 1
lookback: n - 1
formula: (value - mean) / population standard deviation of the last n values, a number of standard deviations; NULL where
  the deviation is no larger than rounding errors, 1e-13 * |mean|
difference: 2e-13
reference: equal to Skender's zScore and to TradingView's stdev; pandas-ta zscore divides by the sample deviation, which
  is sqrt(n / (n - 1)) times as large
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO zscore_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of zscore')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
moments AS (
    SELECT symbol, date, k, x, avg(x) OVER w AS mean, stddev_pop(x) OVER w AS deviation
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date, CASE WHEN k >= n - 1 AND deviation > 1e-13 * abs(mean) THEN (x - mean) / deviation END AS zscore
FROM moments;
