/* ---
name: fisher
version: 1
title: Fisher transform of the price's place in its range.
status: active
grain: one row per symbol and date
params: {n: 10}
columns: [high, low]
returns: [fisher, fisher_signal]
scale: {fisher: 1, fisher_signal: 1}
units: {fisher: "ratio, mostly -3 to 3", fisher_signal: "ratio, mostly -3 to 3"}
warmup: n
lookback: n + 160
formula: "v = 0.66 * ((price - lowest) / (highest - lowest) - 0.5) + 0.67 * previous v, with price = (high + low) / 2
  and its extremes of the last n bars; a v beyond ±0.99 becomes ±0.999; v is 0 where highest and lowest differ by no
  more than rounding errors; fisher = 0.5 * log((1 + v) / (1 - v)) + 0.5 * previous fisher; both start with 0 before
  bar n - 1; fisher_signal = previous fisher"
difference: 6e-15
reference: J. F. Ehlers, Using the Fisher Transform, Technical Analysis of Stocks & Commodities (2002); TradingView's,
  and Skender.Stock.Indicators' after its first bars, where its ranges are shorter; n of TradingView and pandas-ta is
  9. For 2,520 bars of 500 symbols it takes 4 to 5 CPU seconds
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO fisher_v1(src, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, (CAST(high AS DOUBLE) + CAST(low AS DOUBLE)) / 2e0 AS x,
        CAST(greatest(128, ceil(sqrt(count(*) OVER (PARTITION BY symbol)))) AS BIGINT) AS size
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND at_least_v1(n, 2, 'the period n of fisher')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
extremes AS (
    SELECT symbol, date, k, size, x, max(x) OVER w AS highest, min(x) OVER w AS lowest
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
-- Each v follows from the previous one, so that list_reduce() folds the list of a symbol's bars: s is the previous
-- state, b the bar. The fold runs in parts, because each bar copies the list of its part's values, and each part the
-- list of all parts: a part has as many bars as there are parts, and at least 128. Each bar appends the v of the bar
-- before it. Bar 0 is a part by itself.
parts AS (
    SELECT symbol, (k + size - 1) // size AS part, list(date ORDER BY k) AS dates, list(k ORDER BY k) AS ks, list({
        'place': CASE WHEN k >= n - 1 AND highest - lowest > 1e-14 * (abs(highest) + abs(lowest))
            THEN 0.66e0 * ((x - lowest) / (highest - lowest) - 0.5e0) END,
        'v': 0e0, 'vs': CASE WHEN (k - 1) % size = 0 THEN CAST([] AS DOUBLE[]) END
    } ORDER BY k) AS bars
    FROM extremes
    GROUP BY symbol, (k + size - 1) // size
),
symbols AS (
    SELECT symbol, flatten(list(dates ORDER BY part)) AS dates, flatten(list(ks ORDER BY part)) AS ks,
        list(bars ORDER BY part) AS parts
    FROM parts
    GROUP BY symbol
),
folded AS (
    SELECT symbol, dates, ks, list_reduce(parts, LAMBDA done, part: list_append(done, list_reduce(
        list_prepend(done[-1], part), LAMBDA s, b: {
            'place': b.place,
            'v': CASE WHEN b.place IS NULL THEN 0e0 WHEN b.place + 0.67e0 * s.v > 0.99e0 THEN 0.999e0
                WHEN b.place + 0.67e0 * s.v < -0.99e0 THEN -0.999e0 ELSE b.place + 0.67e0 * s.v END,
            'vs': list_append(coalesce(b.vs, s.vs), s.v)
        }
    ))) AS parts
    FROM symbols
),
listed AS (
    SELECT symbol, unnest(dates) AS date, unnest(ks) AS k,
        unnest(list_append(flatten(list_transform(parts[2:], LAMBDA part: part.vs)), parts[-1].v)) AS v
    FROM folded
),
transformed AS (
    SELECT symbol, date, k, decayed_v1(0.5e0 * ln((1 + v) / (1 - v)), 0.5e0, k) AS fisher
    FROM listed
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN fisher END AS fisher,
    CASE WHEN k >= n THEN lag(fisher) OVER (PARTITION BY symbol ORDER BY date) END AS fisher_signal
FROM transformed;
