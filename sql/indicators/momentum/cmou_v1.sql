/* ---
name: cmou
version: 1
title: Chande's momentum oscillator with plain sums.
status: active
grain: one row per symbol and date
params: {n: 14, value: close}
columns: [value]
returns: [cmou]
scale: {cmou: 100}
units: {cmou: "-100 to 100"}
warmup: n
lookback: n
formula: 100 * (up - down) / (up + down), where up and down are the sums of the last n rises and falls; 0 where there
  are none
difference: 2e-14
reference: T. Chande and S. Kroll, The New Technical Trader (1994); equal to TA-Lib CMOU, to Skender.Stock.Indicators
  and to the CMO of TradingView; cmo has Wilder's averages
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO cmou_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k,
        CAST(value AS DOUBLE) - lag(CAST(value AS DOUBLE)) OVER w AS change
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of cmou')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
moves AS (
    SELECT symbol, date, k,
        CASE WHEN change > 0 THEN change ELSE 0e0 END AS up, CASE WHEN change < 0 THEN -change ELSE 0e0 END AS down
    FROM bars
),
sums AS (
    SELECT symbol, date, k, sum(up) OVER w AS up, sum(down) OVER w AS down
    FROM moves
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= n THEN CASE WHEN up + down = 0 THEN 0e0 ELSE 100 * (up - down) / (up + down) END END AS cmou
FROM sums;
