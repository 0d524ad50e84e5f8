/* ---
name: kdj
version: 1
title: KDJ oscillator, a stochastic oscillator with smoothed averages.
status: active
grain: one row per symbol and date
params: {n: 9, smooth: 3, signal: 3}
columns: [high, low, close]
returns: [kdj_k, kdj_d, kdj_j]
scale: {kdj_k: 100, kdj_d: 100, kdj_j: 100}
units: {kdj_k: 0 to 100, kdj_d: 0 to 100, kdj_j: "-200 to 300"}
warmup: n + smooth + signal - 3
lookback: n + smooth + signal - 3 + 36 * (smooth + signal)
formula: fast = 100 * (close - lowest low) / (highest high - lowest low) of the last n bars, 0 where high and low are
  the same; kdj_k = smma(smooth) of fast; kdj_d = smma(signal) of kdj_k; kdj_j = 3 * kdj_k - 2 * kdj_d
difference: 2e-15
reference: equal to TA-Lib KDJ; as there, kdj_k is NULL where kdj_d is; other sources start both averages with 50,
  whose effect fades
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO kdj_v1(src, n, smooth, signal) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x,
        row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND at_least_v1(n, 2, 'the period n of kdj')
        AND at_least_v1(smooth, 2, 'smooth of kdj') AND at_least_v1(signal, 2, 'signal of kdj')
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
    SELECT symbol, date, k, wilder_of_v1(fast, smooth, n + smooth - 2, k) AS slow
    FROM places
),
signals AS (
    SELECT symbol, date, slow, wilder_of_v1(slow, signal, n + smooth + signal - 3, k) AS average
    FROM smoothed
)
SELECT symbol, date,
    CASE WHEN average IS NOT NULL THEN slow END AS kdj_k, average AS kdj_d, 3 * slow - 2 * average AS kdj_j
FROM signals;
