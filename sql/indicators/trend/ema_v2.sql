/* ---
name: ema
version: 2
title: Exponential moving average.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [ema]
price_like: [ema]
warmup: n - 1
lookback: n - 1 + 14 * (n + 1)
formula: ema = previous ema + 2 / (n + 1) * (value - previous ema), starting with the mean of the first n values
difference: 2e-14
reference: equal to TA-Lib EMA
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; written with the kernel ema_of_v1
--- */
CREATE OR REPLACE MACRO ema_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of ema')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, ema_of_v1(x, n, n - 1, k) AS ema
FROM bars;
