/* ---
name: kvo
version: 1
aliases: [klinger]
title: Klinger volume oscillator.
status: active
grain: one row per symbol and date
params: {fast: 34, slow: 55, signal: 13}
columns: [high, low, close, volume]
returns: [kvo, kvo_signal]
scale: {kvo: volume, kvo_signal: volume}
units: {kvo: shares, kvo_signal: shares}
warmup: slow + signal
lookback: all
formula: "kvo = ema(fast) - ema(slow) of the volume force, kvo_signal = ema(signal) of kvo, in shares; the trend is 1
  where high + low + close rose, else -1; dm = high - low; cm = dm summed over the bars since the trend turned and the
  bar before; volume force = 100 * trend * volume * |2 * (dm / cm - 1)|, 0 where cm is 0; the force starts at bar 2, and
  each average with the mean of its first values"
difference: 2e-15
reference: S. Klinger, Identifying Trends with Volume Analysis, Technical Analysis of Stocks & Commodities (1997); equal
  to Skender's KVO. TradingView's force is trend * volume alone. Sums since a turn are
  windows over the partitions symbol and run, so that the compiled query joins this macro
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO kvo_v1(src, fast, slow, signal) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(volume AS DOUBLE) AS v,
        CAST(high AS DOUBLE) - CAST(low AS DOUBLE) AS dm,
        CAST(high AS DOUBLE) + CAST(low AS DOUBLE) + CAST(close AS DOUBLE) AS price
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND is_finite_v1(volume)
        AND at_least_v1(fast, 2, 'fast of kvo') AND at_least_v1(slow, fast + 1, 'slow of kvo')
        AND at_least_v1(signal, 2, 'signal of kvo')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
trends AS (
    SELECT symbol, date, k, v, dm, lag(dm, 1, 0e0) OVER w AS dm_1,
        CASE WHEN price > lag(price) OVER w THEN 1e0 ELSE -1e0 END AS trend
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
-- Bar 0 has no trend: bar 1 turns, as do all bars whose trend is not that of the bar before.
turns AS (
    SELECT symbol, date, k, v, dm, dm_1, trend,
        CASE WHEN k < 2 OR trend <> lag(trend) OVER (PARTITION BY symbol ORDER BY date) THEN 1 ELSE 0 END AS turn
    FROM trends
),
runs AS (
    SELECT symbol, date, k, v, dm, trend, CASE WHEN turn = 1 THEN dm_1 + dm ELSE dm END AS step,
        sum(turn) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
    FROM turns
),
paths AS (
    SELECT symbol, date, k, v, dm, trend,
        sum(step) OVER (PARTITION BY symbol, run ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cm
    FROM runs
),
impulses AS (
    SELECT symbol, date, k,
        CASE WHEN k < 2 OR cm = 0 THEN 0e0 ELSE 100 * trend * v * abs(2 * (dm / cm - 1)) END AS impulse
    FROM paths
),
lines AS (
    SELECT symbol, date, k, ema_of_v1(impulse, fast, fast + 1, k) - ema_of_v1(impulse, slow, slow + 1, k) AS line
    FROM impulses
),
signals AS (
    SELECT symbol, date, k, line, ema_of_v1(line, signal, slow + signal, k) AS average
    FROM lines
)
SELECT symbol, date, CASE WHEN k >= slow + signal THEN line END AS kvo, average AS kvo_signal
FROM signals;
