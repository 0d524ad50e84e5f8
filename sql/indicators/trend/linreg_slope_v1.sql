/* ---
name: linreg_slope
version: 1
title: Slope of the regression line through the last values.
status: superseded
grain: one row per symbol and date
params: {n: 14, value: close}
columns: [value]
returns: [linreg_slope]
warmup: n - 1
lookback: n - 1
formula: slope per bar of the least-squares line through the last n values = sum of value * (bar number - mean bar
  number), / (n * (n * n - 1) / 12)
difference: 2e-13
reference: equal to TA-Lib LINEARREG_SLOPE
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO linreg_slope_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE value IS NOT NULL AND at_least_v1(n, 2, 'the period n of linreg_slope')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date,
    CASE WHEN k >= n - 1 THEN
        (sum(k * x) OVER w - (k - (n - 1) / 2e0) * sum(x) OVER w) * 12e0 / (n * (n * n - 1e0)) END AS linreg_slope
FROM bars
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
