/* ---
name: ema
version: 1
title: Exponential moving average.
status: superseded
grain: one row per symbol and date
params: {n: 20, value: close}
columns: [value]
returns: [ema]
warmup: n - 1
lookback: n - 1 + 14 * (n + 1)
formula: ema = previous ema + 2 / (n + 1) * (value - previous ema), starting with the mean of the first n values
difference: 2e-14
reference: equal to TA-Lib EMA
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO ema_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE value IS NOT NULL AND at_least_v1(n, 2, 'the period n of ema')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
weighted AS (
    -- The first n weigh so much that they come to their mean when the n-th is there.
    SELECT symbol, date, k,
        CASE WHEN k >= n THEN x * (2e0 / (n + 1)) ELSE x * pow(1 - 2e0 / (n + 1), k - n + 1) / n END AS x
    FROM bars
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN decayed_v1(x, 1 - 2e0 / (n + 1), k) END AS ema
FROM weighted;
