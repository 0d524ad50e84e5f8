/* ---
name: dema
version: 2
title: Double exponential moving average.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [dema]
price_like: [dema]
warmup: 2 * n - 2
lookback: 2 * n - 2 + 36 * (n + 1)
formula: 2 * e1 - e2, where e1 = ema(n) of value and e2 = ema(n) of e1; each average starts with the mean of its first
  n values
difference: 3e-15
reference: P. Mulloy, Technical Analysis of Stocks & Commodities (1994); equal to TA-Lib DEMA
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; written with the kernel ema_of_v1
--- */
CREATE OR REPLACE MACRO dema_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of dema')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
once AS (
    SELECT symbol, date, k, ema_of_v1(x, n, n - 1, k) AS e1
    FROM bars
)
SELECT symbol, date, 2 * e1 - ema_of_v1(e1, n, 2 * n - 2, k) AS dema
FROM once;
