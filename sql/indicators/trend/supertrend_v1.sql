/* ---
name: supertrend
version: 1
title: Supertrend.
status: superseded
grain: one row per symbol and date
params: {n: 10, width: 3}
columns: [high, low, close]
returns: [supertrend, supertrend_direction]
warmup: n
lookback: all
formula: bands = (high + low) / 2 ± width * atr(n), each of which only moves towards the price unless the
  previous close was beyond it; direction is 1 and supertrend the lower band while close is above it; direction is -1
  and supertrend the upper band while close is not above it; at bar n by close >= (high + low) / 2
difference: 1e-15
reference: O. Seban; equal to Skender.Stock.Indicators, while other implementations start with -1 and do not turn
  where the close equals the band; 2,520 bars of 500 symbols take 5 to 6 CPU seconds, of one symbol 0.06
changes:
  - 2026-11-21 first version
  - 2026-11-26 superseded by version 2
--- */
CREATE OR REPLACE MACRO supertrend_v1(src, n, width) AS TABLE
WITH bars AS (
    SELECT symbol, date, row_number() OVER w - 1 AS k, CAST(high AS DOUBLE) AS h, CAST(low AS DOUBLE) AS l,
        CAST(close AS DOUBLE) AS x, lag(CAST(close AS DOUBLE)) OVER w AS before
    FROM query_table(src)
    WHERE high IS NOT NULL AND low IS NOT NULL AND close IS NOT NULL AND at_least_v1(n, 2, 'the period n of supertrend')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
ranges AS (
    SELECT symbol, date, k, x, before, (h + l) / 2e0 AS middle,
        CASE WHEN k > 0 THEN greatest(h - l, abs(h - before), abs(l - before)) ELSE 0e0 END AS true_range
    FROM bars
),
seeded AS (
    SELECT symbol, date, k, x, before, middle,
        CASE WHEN k < n THEN 0e0 WHEN k = n THEN avg(true_range) OVER w ELSE true_range / n END AS true_range
    FROM ranges
    WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW)
),
bands AS (
    SELECT symbol, date, k, x, before, middle,
        CASE WHEN k >= n THEN width * decayed_v1(true_range, 1 - 1e0 / n, k) END AS distance
    FROM seeded
),
-- Each bar's state follows from the one before, so each symbol's list of bars is folded; in parts, as the states so far are
-- copied at each bar. Bar 0, a part of its own, has none yet, and each bar adds the one before to those found.
parts AS (
    SELECT symbol, (k + 127) // 128 AS part, list(date ORDER BY k) AS dates, list({
        'x': x, 'before': before, 'upper': middle + distance, 'lower': middle - distance,
        'up': CASE WHEN k = n THEN x >= middle END,
        'found': CASE WHEN k % 128 = 1 THEN CAST([] AS STRUCT(line DOUBLE, up BOOLEAN)[]) END
    } ORDER BY k) AS bars
    FROM bands
    GROUP BY symbol, (k + 127) // 128
),
symbols AS (
    SELECT symbol, flatten(list(dates ORDER BY part)) AS dates, list(bars ORDER BY part) AS parts FROM parts GROUP BY symbol
),
folded AS (
    SELECT symbol, dates, list_reduce(parts, LAMBDA done, part: list_append(done, list_reduce(
        list_prepend(done[-1], part), LAMBDA s, b: {
            'x': b.x, 'before': b.before,
            'upper': CASE WHEN s.upper BETWEEN b.before AND b.upper THEN s.upper ELSE b.upper END,
            'lower': CASE WHEN s.lower BETWEEN b.lower AND b.before THEN s.lower ELSE b.lower END,
            'up': b.x > CASE WHEN coalesce(s.up, b.up)
                THEN CASE WHEN s.lower BETWEEN b.lower AND b.before THEN s.lower ELSE b.lower END
                ELSE CASE WHEN s.upper BETWEEN b.before AND b.upper THEN s.upper ELSE b.upper END END,
            'found': list_append(coalesce(b.found, s.found),
                {'line': CASE WHEN s.up THEN s.lower ELSE s.upper END, 'up': s.up})
        }
    ))) AS parts
    FROM symbols
),
listed AS (
    SELECT symbol, unnest(dates) AS date, unnest(list_append(
        flatten(list_transform(parts[2:], LAMBDA part: part.found)),
        {'line': CASE WHEN parts[-1].up THEN parts[-1].lower ELSE parts[-1].upper END, 'up': parts[-1].up}
    )) AS found
    FROM folded
)
SELECT symbol, date, struct_extract(found, 'line') AS supertrend,
    CASE WHEN struct_extract(found, 'up') THEN 1e0 WHEN NOT struct_extract(found, 'up') THEN -1e0 END AS supertrend_direction
FROM listed;
