/* ---
name: engulfing
version: 1
aliases: [cdlengulfing, cdl_engulfing]
title: "Candlestick pattern: engulfing."
status: active
grain: one row per symbol and date
params: {}
columns: [open, high, low, close]
returns: [engulfing]
scale: {engulfing: 100}
units: {engulfing: "100, 80, -80, -100 or 0"}
warmup: 2
lookback: 2
formula: 100 where a rise (close >= open) has a body that contains the body of a fall of the bar before, -100 where the body
  of a fall contains that of a rise; 80 and -80 where the bodies share one end; else 0
difference: 1e-15
reference: equal to TA-Lib CDLENGULFING
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO engulfing_v1(src) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(open AS DOUBLE) AS o, CAST(high AS DOUBLE) AS h,
        CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x
    FROM query_table(src)
    WHERE is_finite_v1(open) AND is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
pairs AS (
    SELECT symbol, date, k, o, x, lag(o) OVER w AS o_1, lag(x) OVER w AS x_1
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date,
    CASE WHEN k >= 2 THEN CASE
        WHEN x >= o AND x_1 < o_1 AND x > o_1 AND o < x_1 THEN 100e0
        WHEN x >= o AND x_1 < o_1 AND x >= o_1 AND o <= x_1 AND (x > o_1 OR o < x_1) THEN 80e0
        WHEN x < o AND x_1 >= o_1 AND o > x_1 AND x < o_1 THEN -100e0
        WHEN x < o AND x_1 >= o_1 AND o >= x_1 AND x <= o_1 AND (o > x_1 OR x < o_1) THEN -80e0
        ELSE 0e0 END END AS engulfing
FROM pairs;
