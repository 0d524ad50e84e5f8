/* ---
name: reconcile_verdicts
title: The verdict on each symbol of a batch, with its differences.
status: active
grain: one row per symbol, column and day (or stretch of days)
params: {}
needs: [steps/reconcile_counts]
tables: {batch: "symbol VARCHAR, failure VARCHAR", origin: "other VARCHAR, compared_at VARCHAR"}
returns: the columns of schema/reconciled.sql
reference: the gravest kind of difference names the symbol's verdict, in the order of the CASE
changes:
  - 2026-11-27 first version
--- */
WITH symbols_compared AS (
    SELECT
        b.symbol, n.first AS date, n.last AS through, 'symbol' AS column_name, coalesce(n.here, 0) AS here,
        coalesce(n.there, 0) AS there, n.ticks, CAST(NULL AS DOUBLE) AS ratio, coalesce(n.bars, 0) AS bars,
        CASE
            WHEN b.failure IS NOT NULL THEN 'failed'
            WHEN n.symbol IS NULL THEN 'no_bars'
            WHEN n.here = 0 THEN 'missing_here'
            WHEN n.there = 0 THEN 'missing_there'
            WHEN n.is_shifted THEN 'shifted'
            WHEN n.has_ratio THEN 'ratio'
            WHEN n.has_prices THEN 'differs'
            WHEN n.lacks_here THEN 'missing_here'
            WHEN n.lacks_there THEN 'missing_there'
            WHEN n.has_actions THEN 'actions'
            WHEN n.has_volumes THEN 'volume'
            WHEN n.is_nearly THEN 'within_tolerance'
            ELSE 'equal'
        END AS verdict,
        coalesce(b.failure, n.detail) AS detail
    FROM batch AS b
    LEFT JOIN counts AS n ON n.symbol = b.symbol
)
SELECT
    r.symbol, r.date, r.through, r.column_name, CAST(r.here AS DOUBLE) AS here, CAST(r.there AS DOUBLE) AS there,
    CAST(r.ticks AS DOUBLE) AS ticks, CAST(r.ratio AS DOUBLE) AS ratio, CAST(r.bars AS BIGINT) AS bars, r.verdict,
    r.detail, o.other, o.compared_at
FROM (
    SELECT symbol, date, through, column_name, here, there, ticks, ratio, bars, verdict, detail FROM symbols_compared
    UNION ALL
    SELECT symbol, date, through, column_name, here, there, ticks, ratio, bars, verdict, detail FROM findings
) AS r
CROSS JOIN origin AS o
