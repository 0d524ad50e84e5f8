/* ---
name: cmf
version: 2
title: Chaikin money flow.
status: active
grain: one row per symbol and date
params: {n: 20}
columns: [high, low, close, volume]
returns: [cmf]
scale: {cmf: 1}
units: {cmf: "-1 to 1"}
warmup: n - 1
lookback: n - 1
formula: sum of the money flow (as in ad) over the last n bars, divided by the sum of their volume; 0 where the volume
  is 0
difference: 7e-15
reference: M. Chaikin; equal to TA-Lib CMF
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO cmf_v2(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x,
        CAST(volume AS DOUBLE) AS v, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND is_finite_v1(volume)
        AND at_least_v1(n, 2, 'the period n of cmf')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
flows AS (
    SELECT symbol, date, k, v, CASE WHEN h > l THEN ((x - l) - (h - x)) / (h - l) * v ELSE 0e0 END AS flow
    FROM bars
),
sums AS (
    SELECT symbol, date, k, sum(flow) OVER w AS flow, sum(v) OVER w AS v
    FROM flows
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN CASE WHEN v = 0 THEN 0e0 ELSE flow / v END END AS cmf
FROM sums;
