/* ---
name: reconcile_actions
title: The dividends and splits of both sides, compared.
status: active
grain: one row per symbol, date and kind of action
params: {}
needs: [steps/reconcile_shifts]
makes: {actions_compared: "symbol, date, column_name, here, there, ticks, verdict"}
returns: temp table actions_compared
reference: actions of days whose bars are shifted are compared with those of the day before or after. A kind that one
  side does not report for the symbol (all NULL) is not compared. Split ratios are equal to a thousandth
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE actions_compared AS
WITH listed AS (
    SELECT symbol, date, 'dividend' AS column_name, dividend_here AS here, NULL AS there, 0.0 AS none, dividend_tick
    FROM pairs
    UNION ALL
    SELECT p.symbol, coalesce(s.here_day, p.date), 'dividend', NULL, p.dividend_there, 0.0, p.dividend_tick
    FROM pairs AS p LEFT JOIN shifts AS s ON s.symbol = p.symbol AND s.date = p.date
    UNION ALL
    SELECT symbol, date, 'split_ratio', split_here, NULL, 1.0, 0.001 * split_here FROM pairs
    UNION ALL
    SELECT p.symbol, coalesce(s.here_day, p.date), 'split_ratio', NULL, p.split_there, 1.0, 0.001 * p.split_there
    FROM pairs AS p LEFT JOIN shifts AS s ON s.symbol = p.symbol AND s.date = p.date
),
reported AS (
    SELECT symbol, column_name, count(here) > 0 AS is_here, count(there) > 0 AS is_there
    FROM listed
    GROUP BY symbol, column_name
),
paired AS (
    SELECT
        symbol, date, column_name, none, coalesce(max(here), none) AS here, coalesce(max(there), none) AS there,
        max(dividend_tick) AS tick
    FROM listed
    GROUP BY symbol, date, column_name, none
)
SELECT
    p.symbol, p.date, p.column_name, p.here, p.there,
    CASE WHEN p.column_name = 'dividend' THEN (p.there - p.here) / p.tick END AS ticks,
    CASE
        WHEN NOT (r.is_here AND r.is_there) THEN 'not_compared'
        WHEN p.here = p.none THEN 'missing_here'
        WHEN p.there = p.none THEN 'missing_there'
        ELSE 'differs'
    END AS verdict
FROM paired AS p
JOIN reported AS r ON r.symbol = p.symbol AND r.column_name = p.column_name
WHERE (r.is_here AND r.is_there AND abs(p.there - p.here) > p.tick * 0.5000005)
    OR (r.is_here <> r.is_there AND p.here <> p.there);
