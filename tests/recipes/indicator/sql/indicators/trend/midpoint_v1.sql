/* ---
name: midpoint
version: 1
title: Midpoint of the last values.
status: active
grain: one row per symbol and date
params: {n: 14, value: close}
columns: [value]
returns: [midpoint]
price_like: [midpoint]
warmup: n - 1
lookback: n - 1
formula: (highest value + lowest value) / 2 of the last n values
difference: 1e-15
reference: equal to TA-Lib MIDPOINT
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE MACRO midpoint_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of midpoint')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN (max(x) OVER w + min(x) OVER w) / 2 END AS midpoint
FROM bars
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
