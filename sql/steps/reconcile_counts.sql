/* ---
name: reconcile_counts
title: The number of bars and the kinds of differences per symbol.
status: active
grain: one row per symbol that has a bar
params: {}
needs: [steps/reconcile_findings]
makes: {counts: "symbol, first, last, here, there, bars, ticks, is_nearly, is_shifted, has_ratio, has_prices,
  lacks_here, lacks_there, has_actions, has_volumes, detail"}
returns: temp table counts
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE counts AS
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
)
SELECT
    n.symbol, n.first, n.last, n.here, n.there, n.bars, v.ticks, v.is_nearly, k.is_shifted, k.has_ratio, k.has_prices,
    k.lacks_here, k.lacks_there, k.has_actions, k.has_volumes, k.detail
FROM numbers AS n
LEFT JOIN kinds AS k ON k.symbol = n.symbol
LEFT JOIN nearly AS v ON v.symbol = n.symbol;
