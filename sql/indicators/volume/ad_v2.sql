/* ---
name: ad
version: 2
aliases: [adl]
title: Accumulation/distribution line.
status: active
grain: one row per symbol and date
params: {}
columns: [high, low, close, volume]
returns: [ad]
scale: {ad: volume}
carried: [ad]
units: {ad: shares}
warmup: 0
lookback: all
formula: cumulative sum of the money flow = ((close - low) - (high - close)) / (high - low) * volume, which is 0 where
  high is not above low
difference: 1e-15
reference: M. Chaikin; equal to TA-Lib AD
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO ad_v2(src) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x,
        CAST(volume AS DOUBLE) AS v
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND is_finite_v1(volume)
),
flows AS (
    SELECT symbol, date, CASE WHEN h > l THEN ((x - l) - (h - x)) / (h - l) * v ELSE 0e0 END AS flow
    FROM bars
)
SELECT symbol, date,
    sum(flow) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS ad
FROM flows;
