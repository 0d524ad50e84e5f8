/* ---
name: mfi
version: 2
title: Money flow index.
status: active
grain: one row per symbol and date
params: {n: 14}
columns: [high, low, close, volume]
returns: [mfi]
scale: {mfi: 100}
units: {mfi: 0 to 100}
warmup: n
lookback: n
formula: 100 * up / (up + down), where up and down are the sums of price * volume over those of the last n bars whose
  price rose or fell, with price = (high + low + close) / 3; 0 where both sums are 0. A change of less than 1e-14 *
  (|price| + |previous price|) is a rounding error and counts as no change
difference: 5e-15
reference: equal to TA-Lib MFI
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column; the threshold for a change is relative; the
    threshold of 1 for the sums is removed
--- */
CREATE OR REPLACE MACRO mfi_v2(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(volume AS DOUBLE) AS v,
        (CAST(high AS DOUBLE) + CAST(low AS DOUBLE) + CAST(close AS DOUBLE)) / 3e0 AS price
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close) AND is_finite_v1(volume)
        AND at_least_v1(n, 2, 'the period n of mfi')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
changes AS (
    SELECT symbol, date, k, price, price * v AS money, lag(price) OVER w AS before
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
flows AS (
    SELECT symbol, date, k,
        CASE WHEN price - before >= 1e-14 * (abs(price) + abs(before)) AND price > before THEN money ELSE 0e0 END AS up,
        CASE WHEN before - price >= 1e-14 * (abs(price) + abs(before)) AND price < before THEN money ELSE 0e0 END AS down
    FROM changes
),
sums AS (
    SELECT symbol, date, k, sum(up) OVER w AS up, sum(down) OVER w AS down
    FROM flows
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= n THEN CASE WHEN up + down = 0 THEN 0e0 ELSE 100 * up / (up + down) END END AS mfi
FROM sums;
