/* ---
name: ultimate
version: 1
title: Ultimate oscillator.
status: superseded
grain: one row per symbol and date
params: {short: 7, medium: 14, long: 28}
columns: [high, low, close]
returns: [ultimate]
warmup: long
lookback: long
formula: 100 / 7 * (4 * a(short) + 2 * a(medium) + a(long)), where a(n) = sum of buying pressure / sum of true range
  over the last n bars, 0 where the range is 0; buying pressure = close - the lower of low and previous close; true
  range as in atr
difference: 2e-14
reference: L. Williams, The Ultimate Oscillator, Technical Analysis of Stocks & Commodities (1985); equal to TA-Lib
  ULTOSC
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO ultimate_v1(src, short, medium, long) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        CAST(close AS DOUBLE) AS x, lag(CAST(close AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE high IS NOT NULL AND low IS NOT NULL AND close IS NOT NULL AND at_least_v1(short, 1, 'short of ultimate')
        AND at_least_v1(medium, short, 'medium of ultimate') AND at_least_v1(long, medium, 'long of ultimate')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
ranges AS (
    SELECT symbol, date, k,
        CASE WHEN k > 0 THEN x - least(l, before) ELSE 0e0 END AS pressure,
        CASE WHEN k > 0 THEN greatest(h - l, abs(h - before), abs(l - before)) ELSE 0e0 END AS true_range
    FROM bars
),
sums AS (
    SELECT symbol, date, k,
        sum(pressure) OVER (w ROWS BETWEEN short - 1 PRECEDING AND CURRENT ROW) AS pressure_1,
        sum(true_range) OVER (w ROWS BETWEEN short - 1 PRECEDING AND CURRENT ROW) AS range_1,
        sum(pressure) OVER (w ROWS BETWEEN medium - 1 PRECEDING AND CURRENT ROW) AS pressure_2,
        sum(true_range) OVER (w ROWS BETWEEN medium - 1 PRECEDING AND CURRENT ROW) AS range_2,
        sum(pressure) OVER (w ROWS BETWEEN long - 1 PRECEDING AND CURRENT ROW) AS pressure_3,
        sum(true_range) OVER (w ROWS BETWEEN long - 1 PRECEDING AND CURRENT ROW) AS range_3
    FROM ranges
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date,
    CASE WHEN k >= long THEN 100 * (
        4 * coalesce(pressure_1 / nullif(range_1, 0), 0) + 2 * coalesce(pressure_2 / nullif(range_2, 0), 0)
        + coalesce(pressure_3 / nullif(range_3, 0), 0)
    ) / 7 END AS ultimate
FROM sums;
