/* ---
name: reconcile_shifts
title: Bars of the other side that are the lake's bars of one session before or after.
status: active
grain: one row per symbol and date of the other side
params: {}
needs: [steps/reconcile_pairs]
makes: {shifts: "symbol, date, here_day, direction, run, first_day, last_day, bars"}
returns: temp table shifts; direction is late or early, run numbers the stretches
reference: at least three bars of a run equal their neighbour and not the bar of their own day, so that a stale bar or a
  flat price is no shift
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP MACRO same_bar(a, b, max_difference) AS coalesce(abs(a.close - b.close) <= max_difference, false)
    AND coalesce(abs(a.open - b.open) <= max_difference, true)
    AND coalesce(abs(a.high - b.high) <= max_difference, true)
    AND coalesce(abs(a.low - b.low) <= max_difference, true);
CREATE OR REPLACE TEMP TABLE shifts AS
WITH neighbours AS (
    SELECT
        symbol, date, there, max_difference,
        same_bar(here, there, max_difference) AS in_place,
        lag(here IGNORE NULLS) OVER (PARTITION BY symbol ORDER BY date) AS before,
        lead(here IGNORE NULLS) OVER (PARTITION BY symbol ORDER BY date) AS after
    FROM pairs
),
candidates AS (
    SELECT
        symbol, date, 'late' AS direction, before.day AS here_day, in_place,
        same_bar(before, there, max_difference) AS is_match
    FROM neighbours WHERE there IS NOT NULL
    UNION ALL
    SELECT symbol, date, 'early', after.day, in_place, same_bar(after, there, max_difference)
    FROM neighbours WHERE there IS NOT NULL
),
numbered AS (
    SELECT
        symbol, date, direction, here_day, in_place, is_match,
        count(*) FILTER (WHERE NOT is_match) OVER (
            PARTITION BY symbol, direction ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS run
    FROM candidates
),
runs AS (
    SELECT symbol, direction, run, min(date) AS first_day, max(date) AS last_day, count(*) AS bars
    FROM numbered
    WHERE is_match
    GROUP BY symbol, direction, run
    HAVING count(*) FILTER (WHERE NOT in_place) >= 3
)
SELECT n.symbol, n.date, n.here_day, n.direction, n.run, r.first_day, r.last_day, r.bars
FROM numbered AS n
JOIN runs AS r ON r.symbol = n.symbol AND r.direction = n.direction AND r.run = n.run
WHERE n.is_match
QUALIFY row_number() OVER (PARTITION BY n.symbol, n.date ORDER BY r.bars DESC, n.direction) = 1;
