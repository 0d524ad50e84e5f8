/* ---
name: atr
version: 2
title: Average true range.
status: active
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, close]
returns: [atr]
price_like: [atr]
warmup: n
lookback: n + 28 * n
formula: "Wilder's average of the true range, starting at bar n with the mean of the first n ranges; true range = the
  largest of high - low, |high - previous close| and |low - previous close|; the first bar has none"
difference: 3e-15
reference: J. W. Wilder, New Concepts in Technical Trading Systems (1978); equal to TA-Lib ATR
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; written with the kernel wilder_of_v1
--- */
CREATE OR REPLACE MACRO atr_v2(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        lag(CAST(close AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND at_least_v1(n, 2, 'the period n of atr')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
ranges AS (
    SELECT symbol, date, k, true_range_v1(h, l, before) AS true_range
    FROM bars
)
SELECT symbol, date, wilder_of_v1(true_range, n, n, k) AS atr
FROM ranges;
