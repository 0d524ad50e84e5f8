/* ---
name: aroon
version: 2
title: Aroon up and down.
status: active
grain: one row per symbol and date
params: {n: 14}
columns: [high, low]
returns: [aroon_up, aroon_down]
scale: {aroon_up: 100, aroon_down: 100}
units: {aroon_up: 0 to 100, aroon_down: 0 to 100}
warmup: n
lookback: n
formula: 100 * (n - number of bars since the highest high, or the lowest low, of this bar and the n before) / n; if
  several bars have the same extreme, the latest counts
difference: 1e-15
reference: equal to TA-Lib AROON; in other sources the oldest bar with the extreme counts
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO aroon_v2(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND at_least_v1(n, 2, 'the period n of aroon')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
extremes AS (
    -- Structs compare by price, then by bar: of equal prices, max() finds the latest bar, and so does min() with -k.
    SELECT symbol, date, k, max({'price': h, 'bar': k}) OVER w AS highest, min({'price': l, 'bar': -k}) OVER w AS lowest
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    CASE WHEN k >= n THEN 100e0 * (n - k + struct_extract(highest, 'bar')) / n END AS aroon_up,
    CASE WHEN k >= n THEN 100e0 * (n - k - struct_extract(lowest, 'bar')) / n END AS aroon_down
FROM extremes;
