/* ---
name: keltner
version: 2
aliases: [kc]
title: Keltner channels.
status: active
grain: one row per symbol and date
params: {n: 20, atr_n: 10, multiplier: 2, value: close}
columns: [high, low, close, value]
returns: [keltner_upper, keltner_middle, keltner_lower]
price_like: [keltner_upper, keltner_middle, keltner_lower]
warmup: greatest(n - 1, atr_n)
lookback: greatest(n - 1 + 14 * (n + 1), atr_n + 28 * atr_n)
formula: middle = ema(n) of value; upper and lower = middle ± multiplier * atr(atr_n)
difference: 3e-15
reference: C. Keltner's channels as modified by L. B. Raschke, with the formulas of ema and atr; TA-Lib KC uses (high +
  low + close) / 3 as value and starts both averages at the same bar, which changes the first few hundred values
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; the parameter width is called
    multiplier; written with the kernels ema_of_v1 and wilder_of_v1
--- */
CREATE OR REPLACE MACRO keltner_v2(src, n, atr_n, multiplier, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(value AS DOUBLE) AS x,
        CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, lag(CAST(close AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND is_finite_v1(value)
        AND at_least_v1(n, 2, 'the period n of keltner') AND at_least_v1(atr_n, 2, 'the period atr_n of keltner')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
ranges AS (
    SELECT symbol, date, k, x, true_range_v1(h, l, before) AS true_range
    FROM bars
),
averages AS (
    SELECT symbol, date,
        CASE WHEN k >= greatest(n - 1, atr_n) THEN ema_of_v1(x, n, n - 1, k) END AS middle,
        multiplier * wilder_of_v1(true_range, atr_n, atr_n, k) AS distance
    FROM ranges
)
SELECT symbol, date,
    middle + distance AS keltner_upper,
    middle AS keltner_middle,
    middle - distance AS keltner_lower
FROM averages;
