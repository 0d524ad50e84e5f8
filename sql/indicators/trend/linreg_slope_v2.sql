/* ---
name: linreg_slope
version: 2
aliases: [linearreg_slope]
title: Slope of the regression line through the last values.
status: active
grain: one row per symbol and date
params: {n: 14, value: close}
columns: [value]
returns: [linreg_slope]
price_like: [linreg_slope]
scale: {linreg_slope: price}
units: {linreg_slope: money per share and bar}
warmup: n - 1
lookback: n - 1
formula: slope per bar of the least-squares line through the last n values = sum of value * (bar number - mean bar
  number), divided by n * (n * n - 1) / 12
difference: 2e-13
reference: equal to TA-Lib LINEARREG_SLOPE
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO linreg_slope_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of linreg_slope')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date,
    CASE WHEN k >= n - 1 THEN
        (sum(k * x) OVER w - (k - (n - 1) / 2e0) * sum(x) OVER w) * 12e0 / (n * (n * n - 1e0)) END AS linreg_slope
FROM bars
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
