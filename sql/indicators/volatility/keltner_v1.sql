/* ---
name: keltner
version: 1
title: Keltner channels.
status: superseded
grain: one row per symbol and date
params: {n: 20, atr_n: 10, width: 2, value: close}
columns: [high, low, close, value]
returns: [keltner_upper, keltner_middle, keltner_lower]
warmup: greatest(n - 1, atr_n)
lookback: greatest(n - 1 + 14 * (n + 1), atr_n + 28 * atr_n)
formula: middle = ema(n) of value; upper and lower = middle ± width * atr(atr_n)
difference: 3e-15
reference: C. Keltner's channels as modified by L. B. Raschke, from ema and atr as they are here; TA-Lib KC uses (high
  + low + close) / 3 as value and starts both averages at the same bar, which shows in the first few hundred values
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO keltner_v1(src, n, atr_n, width, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(value AS DOUBLE) AS x,
        CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, lag(CAST(close AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE high IS NOT NULL AND low IS NOT NULL AND close IS NOT NULL AND value IS NOT NULL
        AND at_least_v1(n, 2, 'the period n of keltner') AND at_least_v1(atr_n, 2, 'the period atr_n of keltner')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
ranges AS (
    SELECT symbol, date, k, x,
        CASE WHEN k > 0 THEN greatest(h - l, abs(h - before), abs(l - before)) ELSE 0e0 END AS true_range
    FROM bars
),
weighted AS (
    -- The first ones weigh so much that they come to their mean; see ema_v1 and atr_v1.
    SELECT symbol, date, k,
        CASE WHEN k >= n THEN x * (2e0 / (n + 1)) ELSE x * pow(1 - 2e0 / (n + 1), k - n + 1) / n END AS x,
        CASE WHEN k > atr_n THEN true_range / atr_n
            ELSE true_range * pow(1 - 1e0 / atr_n, k - atr_n) / atr_n END AS r
    FROM ranges
),
averaged AS (
    SELECT symbol, date,
        CASE WHEN k >= greatest(n - 1, atr_n) THEN decayed_v1(x, 1 - 2e0 / (n + 1), k) END AS middle,
        width * decayed_v1(r, 1 - 1e0 / atr_n, k) AS deviation
    FROM weighted
)
SELECT symbol, date,
    middle + deviation AS keltner_upper,
    middle AS keltner_middle,
    middle - deviation AS keltner_lower
FROM averaged;
