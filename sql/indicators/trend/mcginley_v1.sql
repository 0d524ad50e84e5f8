/* ---
name: mcginley
version: 1
aliases: [mcgd]
title: McGinley's dynamic average.
status: active
grain: one row per symbol and date
params: {n: 14, factor: 1, value: close}
columns: [value]
returns: [mcginley]
price_like: [mcginley]
warmup: n - 1
lookback: all
formula: mcginley = previous + (value - previous) / (factor * n * (value / previous)^4), starting with the mean of the
  first n values; a divisor of less than 1 counts as 1, so that the average never passes the value; it is the value
  where the previous average is 0
difference: 1e-15
reference: J. R. McGinley (1990), whose factor is 0.6. Equal to TradingView and to the recursion of pandas-ta unless
  the value falls by more than a third below the average (n 14, half), where theirs may pass the value and diverge
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO mcginley_v1(src, n, factor, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k,
        CAST(greatest(128, ceil(sqrt(count(*) OVER (PARTITION BY symbol)))) AS BIGINT) AS size
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of mcginley')
        AND not_negative_v1(factor, 'the factor of mcginley')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
means AS (
    SELECT symbol, date, x, k, size, CASE WHEN k = n - 1 THEN avg(x) OVER w END AS mean
    FROM bars
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
-- Each average follows from the previous one, so that list_reduce() folds the list of a symbol's bars: s is the
-- previous state, b the bar. The fold runs in parts, because each bar copies the list of its part's averages, and each
-- part the list of all parts: a part has as many bars as there are parts, and at least 128. Each bar appends the
-- average of the bar before it. Bar 0 is a part by itself.
parts AS (
    SELECT symbol, (k + size - 1) // size AS part, list(date ORDER BY k) AS dates, list({
        'x': x, 'y': mean, 'ys': CASE WHEN (k - 1) % size = 0 THEN CAST([] AS DOUBLE[]) END
    } ORDER BY k) AS bars
    FROM means
    GROUP BY symbol, (k + size - 1) // size
),
symbols AS (
    SELECT symbol, flatten(list(dates ORDER BY part)) AS dates, list(bars ORDER BY part) AS parts
    FROM parts
    GROUP BY symbol
),
folded AS (
    SELECT symbol, dates, list_reduce(parts, LAMBDA done, part: list_append(done, list_reduce(
        list_prepend(done[-1], part), LAMBDA s, b: {
            'x': b.x,
            'y': coalesce(b.y, CASE WHEN s.y = 0 OR factor * n * pow(b.x / s.y, 4) <= 1 THEN b.x
                ELSE s.y + (b.x - s.y) / (factor * n * pow(b.x / s.y, 4)) END),
            'ys': list_append(coalesce(b.ys, s.ys), s.y)
        }
    ))) AS parts
    FROM symbols
)
SELECT symbol, unnest(dates) AS date,
    unnest(list_append(flatten(list_transform(parts[2:], LAMBDA part: part.ys)), parts[-1].y)) AS mcginley
FROM folded;
