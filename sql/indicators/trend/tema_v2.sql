/* ---
name: tema
version: 2
title: Triple exponential moving average.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [tema]
price_like: [tema]
warmup: 3 * n - 3
lookback: 3 * n - 3 + 54 * (n + 1)
formula: 3 * e1 - 3 * e2 + e3, where e1 = ema(n) of value, e2 = ema(n) of e1 and e3 = ema(n) of e2; each average starts
  with the mean of its first n values
difference: 9e-15
reference: P. Mulloy, Technical Analysis of Stocks & Commodities (1994); equal to TA-Lib TEMA
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; written with the kernel ema_of_v1
--- */
CREATE OR REPLACE MACRO tema_v2(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of tema')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
once AS (
    SELECT symbol, date, k, ema_of_v1(x, n, n - 1, k) AS e1
    FROM bars
),
twice AS (
    SELECT symbol, date, k, e1, ema_of_v1(e1, n, 2 * n - 2, k) AS e2
    FROM once
)
SELECT symbol, date, 3 * e1 - 3 * e2 + ema_of_v1(e2, n, 3 * n - 3, k) AS tema
FROM twice;
