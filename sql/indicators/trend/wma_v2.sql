/* ---
name: wma
version: 2
title: Weighted moving average.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [wma]
price_like: [wma]
warmup: n - 1
lookback: n - 1
formula: mean of the last n values with the weights 1, 2, … n, of which n is the newest value's; the weighted sum is
  computed as sum of k * value - (k - n) * sum of value, where k is the number of the bar
difference: 8e-13
reference: equal to TA-Lib WMA
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO wma_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of wma')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date,
    CASE WHEN k >= n - 1 THEN (sum(k * x) OVER w - (k - n) * sum(x) OVER w) * 2e0 / (n * (n + 1)) END AS wma
FROM bars
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
