/* ---
name: vwap_rolling
version: 1
title: Volume-weighted average price of the last bars.
status: superseded
grain: one row per symbol and date
params: {n: 20}
columns: [high, low, close, volume]
returns: [vwap_rolling]
warmup: n - 1
lookback: n - 1
formula: sum of (high + low + close) / 3 * volume, divided by the sum of volume, over the last n bars; NULL where the
  volume is 0
difference: 2e-14
reference: equal to TA-Lib VWMA of the typical price; see vwap for the average since the first bar
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO vwap_rolling_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(volume AS DOUBLE) AS v, row_number() OVER w - 1 AS k,
        (CAST(high AS DOUBLE) + CAST(low AS DOUBLE) + CAST(close AS DOUBLE)) / 3e0 AS price
    FROM query_table(src)
    WHERE high IS NOT NULL AND low IS NOT NULL AND close IS NOT NULL AND volume IS NOT NULL
        AND at_least_v1(n, 2, 'the period n of vwap_rolling')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
traded AS (
    SELECT symbol, date, k, v, price * v AS money
    FROM bars
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN sum(money) OVER w / nullif(sum(v) OVER w, 0) END AS vwap_rolling
FROM traded
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
