/* ---
name: unreconciled
title: Symbols that no clean and recent reconciliation covers. As a check, it demands one.
status: active
grain: one row per symbol
params: {days: INTEGER}
needs: [bars, reconciled_symbols]
returns: symbol, date (of the newest bar), detail (in words)
reference: a symbol passes if one other source has the verdict equal or within_tolerance, on days that reach to at most
  `days` days before the symbol's newest bar; symbols of which the lake has no bar are not looked at
example: FROM unreconciled(7)
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO unreconciled(days) AS TABLE
WITH newest AS (
    SELECT symbol, max(date) AS date FROM bars GROUP BY symbol
),
best AS (
    SELECT
        symbol,
        max(through) FILTER (WHERE verdict IN ('equal', 'within_tolerance')) AS through,
        arg_max(verdict || ' (' || other || ')', compared_at) AS last_verdict
    FROM reconciled_symbols
    GROUP BY symbol
)
SELECT
    n.symbol, n.date,
    CASE
        WHEN b.symbol IS NULL THEN 'never reconciled'
        WHEN b.through IS NULL THEN 'the last verdict is ' || b.last_verdict
        ELSE format('reconciled through {} only', CAST(b.through AS VARCHAR))
    END AS detail
FROM newest AS n
LEFT JOIN best AS b ON b.symbol = n.symbol
WHERE b.through IS NULL OR n.date - b.through > days
ORDER BY n.symbol;
