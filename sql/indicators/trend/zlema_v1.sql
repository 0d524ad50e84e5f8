/* ---
name: zlema
version: 1
aliases: [zlma]
title: Zero-lag exponential moving average.
status: active
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [zlema]
price_like: [zlema]
warmup: n - 1 + (n - 1) // 2
lookback: n - 1 + (n - 1) // 2 + 14 * (n + 1)
formula: ema(n) of 2 * value - value lag bars before, where lag = (n - 1) / 2, rounded down; it starts with the mean of
  the first n of these
difference: 1e-15
reference: J. Ehlers and R. Way, Zero Lag (Well, Almost), Technical Analysis of Stocks & Commodities (2010); equal to
  TA-Lib ZLEMA, whose default n is 30
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO zlema_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k,
        2 * CAST(value AS DOUBLE) - lag(CAST(value AS DOUBLE), (n - 1) // 2) OVER w AS x
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of zlema')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, ema_of_v1(x, n, n - 1 + floor((n - 1) / 2), k) AS zlema
FROM bars;
