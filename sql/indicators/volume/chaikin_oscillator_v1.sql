/* ---
name: chaikin_oscillator
version: 1
aliases: [adosc]
title: Chaikin oscillator.
status: active
grain: one row per symbol and date
params: {fast: 3, slow: 10}
columns: [high, low, close, volume]
returns: [chaikin_oscillator]
scale: {chaikin_oscillator: volume}
units: {chaikin_oscillator: shares}
warmup: slow - 1
lookback: slow - 1 + 14 * (slow + 1)
formula: ema(fast) - ema(slow) of the accumulation/distribution line (see ad), in shares; both averages start with the
  line's first value
difference: 1e-15
reference: M. Chaikin; equal to TA-Lib ADOSC; Skender's averages start with the mean of the first values, which fades
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO chaikin_oscillator_v1(src, fast, slow) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x,
        CAST(volume AS DOUBLE) AS v, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND is_finite_v1(volume)
        AND at_least_v1(fast, 2, 'fast of chaikin_oscillator')
        AND at_least_v1(slow, fast + 1, 'slow of chaikin_oscillator')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
flows AS (
    SELECT symbol, date, k, CASE WHEN h > l THEN ((x - l) - (h - x)) / (h - l) * v ELSE 0e0 END AS flow
    FROM bars
),
lines AS (
    SELECT symbol, date, k,
        sum(flow) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ad
    FROM flows
)
SELECT symbol, date,
    CASE WHEN k >= slow - 1 THEN
        average_of_v1(ad, 2e0 / (fast + 1), 1, 0, k) - average_of_v1(ad, 2e0 / (slow + 1), 1, 0, k)
    END AS chaikin_oscillator
FROM lines;
