/* ---
name: obv
version: 2
title: On-balance volume.
status: active
grain: one row per symbol and date
params: {}
columns: [close, volume]
returns: [obv]
scale: {obv: volume}
carried: [obv]
units: {obv: shares}
warmup: 0
lookback: all
formula: cumulative sum of the volume of bars whose close rose, minus that of bars whose close fell; the first bar
  counts as a rise
difference: 1e-15
reference: J. Granville, New Key to Stock Market Profits (1963); equal to TA-Lib OBV
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO obv_v2(src) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(close AS DOUBLE) AS x, lag(CAST(close AS DOUBLE)) OVER w AS before,
        CAST(volume AS DOUBLE) AS v, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(close) AND is_finite_v1(volume)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
signed AS (
    SELECT symbol, date, CASE WHEN k = 0 OR x > before THEN v WHEN x < before THEN -v ELSE 0e0 END AS v
    FROM bars
)
SELECT symbol, date,
    sum(v) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS obv
FROM signed;
