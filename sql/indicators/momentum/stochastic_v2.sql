/* ---
name: stochastic
version: 2
aliases: [stoch]
title: Slow stochastic oscillator.
status: active
grain: one row per symbol and date
params: {n: 14, smooth: 3, signal: 3}
columns: [high, low, close]
returns: [stoch_k, stoch_d]
scale: {stoch_k: 100, stoch_d: 100}
units: {stoch_k: 0 to 100, stoch_d: 0 to 100}
warmup: n + smooth + signal - 3
lookback: n + smooth + signal - 3
formula: fast = 100 * (close - lowest low) / (highest high - lowest low) of the last n bars, 0 where high and low are
  the same; stoch_k = sma(smooth) of fast; stoch_d = sma(signal) of stoch_k; with smooth 1 it is the fast oscillator
difference: 9e-15
reference: equal to TA-Lib STOCH with simple averages, whose defaults are 5, 3, 3; as there, stoch_k is NULL where
  stoch_d is
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO stochastic_v2(src, n, smooth, signal) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x,
        row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
        AND at_least_v1(n, 2, 'the period n of stochastic') AND at_least_v1(smooth, 1, 'smooth of stochastic')
        AND at_least_v1(signal, 1, 'signal of stochastic')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
extremes AS (
    SELECT symbol, date, k, x, max(h) OVER w AS highest, min(l) OVER w AS lowest
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
places AS (
    SELECT symbol, date, k,
        CASE WHEN highest = lowest THEN 0e0 ELSE 100 * (x - lowest) / (highest - lowest) END AS fast
    FROM extremes
),
smoothed AS (
    SELECT symbol, date, k, avg(fast) OVER w AS slow
    FROM places
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN smooth - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= n + smooth + signal - 3 THEN slow END AS stoch_k,
    CASE WHEN k >= n + smooth + signal - 3 THEN avg(slow) OVER w END AS stoch_d
FROM smoothed
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN signal - 1 PRECEDING AND CURRENT ROW);
