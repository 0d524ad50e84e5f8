/* ---
name: atr
version: 1
title: Average true range.
status: superseded
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, close]
returns: [atr]
warmup: n
lookback: n + 28 * n
formula: "Wilder's average of the true range, starting at bar n with the mean of the first n ranges; true range = the
  largest of high - low, |high - previous close| and |low - previous close|; the first bar has none"
difference: 3e-15
reference: J. W. Wilder, New Concepts in Technical Trading Systems (1978); equal to TA-Lib ATR
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO atr_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        lag(CAST(close AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE high IS NOT NULL AND low IS NOT NULL AND close IS NOT NULL AND at_least_v1(n, 2, 'the period n of atr')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
ranges AS (
    SELECT symbol, date, k,
        CASE WHEN k > 0 THEN greatest(h - l, abs(h - before), abs(l - before)) ELSE 0e0 END AS true_range
    FROM bars
),
weighted AS (
    -- The first n weigh so much that they come to their mean when the n-th is there.
    SELECT symbol, date, k,
        CASE WHEN k > n THEN true_range / n ELSE true_range * pow(1 - 1e0 / n, k - n) / n END AS x
    FROM ranges
)
SELECT symbol, date, CASE WHEN k >= n THEN decayed_v1(x, 1 - 1e0 / n, k) END AS atr
FROM weighted;
