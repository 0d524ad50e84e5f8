/* ---
name: aroon
version: 1
title: Aroon up and down.
status: superseded
grain: one row per symbol and date
params: {n: 14}
columns: [high, low]
returns: [aroon_up, aroon_down]
warmup: n
lookback: n
formula: 100 * (n - number of bars since the highest high, or the lowest low, of this bar and the n before) / n; of
  equal ones the latest counts
difference: 1e-15
reference: equal to TA-Lib AROON; in other sources the oldest of equal ones counts
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO aroon_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE high IS NOT NULL AND low IS NOT NULL AND at_least_v1(n, 2, 'the period n of aroon')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
extremes AS (
    -- Pairs compare by the price, then by the bar: the latest is the largest, and with its sign turned the smallest.
    SELECT symbol, date, k, max({'price': h, 'bar': k}) OVER w AS highest, min({'price': l, 'bar': -k}) OVER w AS lowest
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= n THEN 100e0 * (n - k + struct_extract(highest, 'bar')) / n END AS aroon_up,
    CASE WHEN k >= n THEN 100e0 * (n - k - struct_extract(lowest, 'bar')) / n END AS aroon_down
FROM extremes;
