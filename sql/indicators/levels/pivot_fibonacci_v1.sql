/* ---
name: pivot_fibonacci
version: 1
title: Pivot points, Fibonacci.
status: active
grain: one row per symbol and date
params: {period: date}
columns: [high, low, close]
returns: [pivot_fibonacci, pivot_fibonacci_r1, pivot_fibonacci_r2, pivot_fibonacci_r3,
  pivot_fibonacci_s1, pivot_fibonacci_s2, pivot_fibonacci_s3]
price_like: [pivot_fibonacci, pivot_fibonacci_r1, pivot_fibonacci_r2, pivot_fibonacci_r3,
  pivot_fibonacci_s1, pivot_fibonacci_s2, pivot_fibonacci_s3]
warmup: 1
lookback: all
formula: "pivot = (h + l + c) / 3; r1, r2 and r3 (s1, s2 and s3) = pivot + (-) 0.382, 0.618 and 1 times h - l, in
  price units, with the highest high, the lowest low and the last close of the period before the bar's; a period is a
  run of bars with one value of the expression period: the default is the session, `date_trunc('week', date)` the week
  and `date_trunc('month', date)` the month, of which a symbol's first may be incomplete; NULL in the first period"
difference: 1e-15
reference: equal to TradingView's type Fibonacci and Skender's. The compiled query joins this macro, whose windows are
  over the partitions symbol and run
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO pivot_fibonacci_v1(src, period) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l, CAST(close AS DOUBLE) AS x,
        CASE WHEN period IS DISTINCT FROM lag(period) OVER w THEN 1 ELSE 0 END AS starts
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND is_finite_v1(close)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
runs AS (
    SELECT symbol, date, h, l, x, starts,
        sum(starts) OVER (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
    FROM bars
),
ranges AS (
    SELECT symbol, date, run, x, starts, max(h) OVER w AS highest, min(l) OVER w AS lowest
    FROM runs
    WINDOW w AS (PARTITION BY symbol, run ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
-- The bar before the first of a period has the range and the close of the whole period before.
ends AS (
    SELECT symbol, date, run, CASE WHEN starts = 1 THEN lag(highest) OVER w END AS h,
        CASE WHEN starts = 1 THEN lag(lowest) OVER w END AS l, CASE WHEN starts = 1 THEN lag(x) OVER w END AS x
    FROM ranges
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
before AS (
    SELECT symbol, date, max(h) OVER w AS h, max(l) OVER w AS l, max(x) OVER w AS x
    FROM ends
    WINDOW w AS (PARTITION BY symbol, run ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
pivots AS (
    SELECT symbol, date, h - l AS span, (h + l + x) / 3e0 AS p
    FROM before
)
SELECT symbol, date, p AS pivot_fibonacci,
    p + 382e-3 * span AS pivot_fibonacci_r1, p + 618e-3 * span AS pivot_fibonacci_r2, p + span AS pivot_fibonacci_r3,
    p - 382e-3 * span AS pivot_fibonacci_s1, p - 618e-3 * span AS pivot_fibonacci_s2, p - span AS pivot_fibonacci_s3
FROM pivots;
