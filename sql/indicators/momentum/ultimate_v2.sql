/* ---
name: ultimate
version: 2
aliases: [ultosc, uo]
title: Ultimate oscillator.
status: active
grain: one row per symbol and date
params: {short: 7, medium: 14, long: 28}
columns: [high, low, close]
returns: [ultimate]
units: {ultimate: 0 to 100}
warmup: long
lookback: long
formula: 100 / 7 * (4 * a(short) + 2 * a(medium) + a(long)), where a(n) = sum of buying pressure / sum of true range
  over the last n bars, 0 where the range is 0; buying pressure = close - the lower of low and previous close; true
  range as in atr
difference: 2e-14
reference: L. Williams, The Ultimate Oscillator, Technical Analysis of Stocks & Commodities (1985); equal to TA-Lib
  ULTOSC
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; window frames written out
--- */
CREATE OR REPLACE MACRO ultimate_v2(src, short, medium, long) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        CAST(close AS DOUBLE) AS x, lag(CAST(close AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND at_least_v1(short, 1, 'short of ultimate')
        AND at_least_v1(medium, short, 'medium of ultimate') AND at_least_v1(long, medium, 'long of ultimate')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
ranges AS (
    SELECT symbol, date, k,
        CASE WHEN k > 0 THEN x - least(l, before) ELSE 0e0 END AS pressure, true_range_v1(h, l, before) AS true_range
    FROM bars
),
sums AS (
    SELECT symbol, date, k,
        sum(pressure) OVER s AS pressure_s, sum(true_range) OVER s AS range_s,
        sum(pressure) OVER m AS pressure_m, sum(true_range) OVER m AS range_m,
        sum(pressure) OVER l AS pressure_l, sum(true_range) OVER l AS range_l
    FROM ranges
    WINDOW s AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN short - 1 PRECEDING AND CURRENT ROW),
        m AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN medium - 1 PRECEDING AND CURRENT ROW),
        l AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN long - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= long THEN 100 * (
        4 * coalesce(pressure_s / nullif(range_s, 0), 0) + 2 * coalesce(pressure_m / nullif(range_m, 0), 0)
        + coalesce(pressure_l / nullif(range_l, 0), 0)
    ) / 7 END AS ultimate
FROM sums;
