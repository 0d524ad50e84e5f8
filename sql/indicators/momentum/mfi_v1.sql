/* ---
name: mfi
version: 1
title: Money flow index.
status: superseded
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, close, volume]
returns: [mfi]
warmup: n
lookback: n
formula: 100 * up / (up + down), where up and down are the sums of price * volume over those of the last n bars whose
  price rose or fell, with price = (high + low + close) / 3; 0 where less than 1 was traded at prices that rose
  or fell. A change of no more than 1e-14 counts as none, which is less than the rounding of prices above 50
difference: 5e-15
reference: equal to TA-Lib MFI of versions before 0.8
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO mfi_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(volume AS DOUBLE) AS v,
        (CAST(high AS DOUBLE) + CAST(low AS DOUBLE) + CAST(close AS DOUBLE)) / 3e0 AS price
    FROM query_table(src)
    WHERE high IS NOT NULL AND low IS NOT NULL AND close IS NOT NULL AND volume IS NOT NULL
        AND at_least_v1(n, 2, 'the period n of mfi')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
changes AS (
    SELECT symbol, date, k, price * v AS money, price - lag(price) OVER w AS change
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
flows AS (
    SELECT symbol, date, k,
        CASE WHEN change > 1e-14 THEN money ELSE 0e0 END AS up,
        CASE WHEN change < -1e-14 THEN money ELSE 0e0 END AS down
    FROM changes
),
sums AS (
    SELECT symbol, date, k, sum(up) OVER w AS up, sum(down) OVER w AS down
    FROM flows
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= n THEN CASE WHEN up + down < 1 THEN 0e0 ELSE 100 * up / (up + down) END END AS mfi
FROM sums;
