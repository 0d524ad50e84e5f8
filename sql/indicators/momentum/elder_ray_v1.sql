/* ---
name: elder_ray
version: 1
aliases: [eri]
title: Elder's bull power and bear power.
status: active
grain: one row per symbol and date
params: {n: 13}
columns: [high, low, close]
returns: [elder_bull, elder_bear]
price_like: [elder_bull, elder_bear]
scale: {elder_bull: price, elder_bear: price}
warmup: n - 1
lookback: n - 1 + 14 * (n + 1)
formula: elder_bull = high - ema(n) of close; elder_bear = low - ema(n) of close
difference: 2e-15
reference: A. Elder, Trading for a Living (1993); equal to TA-Lib ERI and Skender.Stock.Indicators
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO elder_ray_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x,
        row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
        AND at_least_v1(n, 2, 'the period n of elder_ray')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
averages AS (
    SELECT symbol, date, h, l, ema_of_v1(x, n, n - 1, k) AS average
    FROM bars
)
SELECT symbol, date, h - average AS elder_bull, l - average AS elder_bear
FROM averages;
