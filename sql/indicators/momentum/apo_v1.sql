/* ---
name: apo
version: 1
title: Absolute price oscillator.
status: active
grain: one row per symbol and date
params: {fast: 12, slow: 26, value: close}
columns: [value]
returns: [apo]
price_like: [apo]
scale: {apo: price}
warmup: slow - 1
lookback: slow - 1 + 14 * (slow + 1)
formula: ema(fast) - ema(slow), each of which starts with the mean of its first values
difference: 2e-15
reference: equal to TA-Lib APO with exponential averages; macd starts both averages at the same bar
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO apo_v1(src, fast, slow, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(fast, 2, 'fast of apo') AND at_least_v1(slow, fast + 1, 'slow of apo')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, ema_of_v1(x, fast, fast - 1, k) - ema_of_v1(x, slow, slow - 1, k) AS apo
FROM bars;
