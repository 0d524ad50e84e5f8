/* ---
name: reconcile_verdicts
title: The verdict on each symbol of a batch, with its differences.
status: active
grain: one row per symbol, column and day (or stretch of days)
params: {}
needs: [steps/reconcile_findings]
tables: {batch: "symbol VARCHAR, failure VARCHAR", origin: "other VARCHAR, compared_at VARCHAR"}
returns: the columns of schema/reconciled.sql
reference: the gravest kind of difference names the symbol's verdict, in the order of the CASE
changes:
  - 2026-11-27 first version
--- */
WITH kinds AS (
    SELECT
        symbol,
        bool_or(verdict = 'shifted') AS is_shifted,
        bool_or(verdict = 'ratio') AS has_ratio,
        bool_or(
            column_name IN ('open', 'high', 'low', 'close') AND verdict IN ('differs', 'missing_here', 'missing_there')
        ) AS has_prices,
        bool_or(column_name = 'bar' AND verdict = 'missing_here') AS lacks_here,
        bool_or(column_name = 'bar' AND verdict = 'missing_there') AS lacks_there,
        bool_or(column_name IN ('dividend', 'split_ratio') AND verdict <> 'not_compared') AS has_actions,
        bool_or(column_name = 'volume' AND verdict <> 'not_compared') AS has_volumes,
        max(detail) FILTER (WHERE verdict IN ('shifted', 'ratio')) AS detail
    FROM findings
    GROUP BY symbol
),
numbers AS (
    SELECT
        symbol, min(date) AS first, max(date) AS last, count(here) AS here, count(there) AS there,
        count(*) FILTER (WHERE here IS NOT NULL AND there IS NOT NULL) AS bars
    FROM pairs
    WHERE here IS NOT NULL OR there IS NOT NULL
    GROUP BY symbol
),
nearly AS (
    SELECT symbol, max(abs(ticks)) AS ticks, bool_or(verdict = 'within_tolerance') AS is_nearly
    FROM (
        SELECT symbol, ticks, verdict FROM prices
        UNION ALL
        SELECT symbol, NULL, verdict FROM volumes
    ) AS compared
    WHERE verdict <> 'not_compared'
    GROUP BY symbol
),
symbols_compared AS (
    SELECT
        b.symbol, n.first AS date, n.last AS through, 'symbol' AS column_name, coalesce(n.here, 0) AS here,
        coalesce(n.there, 0) AS there, v.ticks, CAST(NULL AS DOUBLE) AS ratio, coalesce(n.bars, 0) AS bars,
        CASE
            WHEN b.failure IS NOT NULL THEN 'failed'
            WHEN n.symbol IS NULL THEN 'no_bars'
            WHEN n.here = 0 THEN 'missing_here'
            WHEN n.there = 0 THEN 'missing_there'
            WHEN k.is_shifted THEN 'shifted'
            WHEN k.has_ratio THEN 'ratio'
            WHEN k.has_prices THEN 'differs'
            WHEN k.lacks_here THEN 'missing_here'
            WHEN k.lacks_there THEN 'missing_there'
            WHEN k.has_actions THEN 'actions'
            WHEN k.has_volumes THEN 'volume'
            WHEN v.is_nearly THEN 'within_tolerance'
            ELSE 'equal'
        END AS verdict,
        coalesce(b.failure, k.detail) AS detail
    FROM batch AS b
    LEFT JOIN numbers AS n ON n.symbol = b.symbol
    LEFT JOIN kinds AS k ON k.symbol = b.symbol
    LEFT JOIN nearly AS v ON v.symbol = b.symbol
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
