/* ---
name: donchian
version: 2
aliases: [dc]
title: Donchian channels.
status: active
grain: one row per symbol and date
params: {n: 20}
columns: [high, low]
returns: [donchian_upper, donchian_middle, donchian_lower]
price_like: [donchian_upper, donchian_middle, donchian_lower]
warmup: n - 1
lookback: n - 1
formula: upper and lower = highest high and lowest low of the last n bars, including this one; middle = their mean
difference: 1e-15
reference: equal to TA-Lib DONCHIAN; some sources leave out the current bar. To find breakouts, compare the close with
  the channel of the previous row
changes:
  - 2026-11-26 second version; NaN and infinity count as NULL in each column
--- */
CREATE OR REPLACE MACRO donchian_v2(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND at_least_v1(n, 2, 'the period n of donchian')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
extremes AS (
    SELECT symbol, date,
        CASE WHEN k >= n - 1 THEN max(h) OVER w END AS highest,
        CASE WHEN k >= n - 1 THEN min(l) OVER w END AS lowest
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
)
SELECT symbol, date,
    highest AS donchian_upper,
    (highest + lowest) / 2e0 AS donchian_middle,
    lowest AS donchian_lower
FROM extremes;
