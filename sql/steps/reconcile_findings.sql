/* ---
name: reconcile_findings
title: All differences of a batch of symbols.
status: active
grain: one row per symbol, column and day (or stretch of days)
params: {}
needs: [steps/reconcile_prices, steps/reconcile_volumes, steps/reconcile_actions, steps/reconcile_reasons]
makes: {findings: "symbol, date, through, column_name, here, there, ticks, ratio, bars, verdict, detail"}
returns: temp table findings
reference: a symbol of which one side has no bar at all has no row here, only its verdict
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE findings AS
WITH of_both AS (
    SELECT symbol FROM pairs GROUP BY symbol HAVING count(here) > 0 AND count(there) > 0
),
columns_compared AS (
    SELECT symbol, date, column_name, here, there, ticks, verdict FROM prices
    UNION ALL
    SELECT symbol, date, column_name, here, there, ticks, verdict FROM volumes
    UNION ALL
    SELECT symbol, date, column_name, here, there, ticks, verdict FROM actions_compared
)
SELECT
    p.symbol, p.date, p.date AS through, 'bar' AS column_name, p.here.close AS here, p.there.close AS there,
    CAST(NULL AS DOUBLE) AS ticks, CAST(NULL AS DOUBLE) AS ratio, 1 AS bars,
    CASE WHEN p.here IS NULL THEN 'missing_here' ELSE 'missing_there' END AS verdict, CAST(NULL AS VARCHAR) AS detail
FROM pairs AS p
SEMI JOIN of_both AS b ON b.symbol = p.symbol
ANTI JOIN shifts AS late ON late.symbol = p.symbol AND late.date = p.date
ANTI JOIN shifts AS matched ON matched.symbol = p.symbol AND matched.here_day = p.date
WHERE (p.here IS NULL) <> (p.there IS NULL)
UNION ALL
SELECT
    s.symbol, min(s.date), max(s.date), 'bar', NULL, NULL, NULL, NULL, count(*), 'shifted',
    'the other side is one session ' || s.direction
FROM shifts AS s
GROUP BY s.symbol, s.direction, s.run
UNION ALL
SELECT
    s.symbol, s.first_day, s.last_day, 'close', s.here, s.there, NULL, s.ratio, s.bars, 'ratio', r.detail
FROM stretches AS s
JOIN reasons AS r ON r.symbol = s.symbol AND r.first_day = s.first_day
UNION ALL
SELECT
    c.symbol, c.date, c.date, c.column_name, c.here, c.there, c.ticks, c.there / nullif(c.here, 0.0), 1, c.verdict, NULL
FROM columns_compared AS c
SEMI JOIN of_both AS b ON b.symbol = c.symbol
WHERE c.verdict IN ('differs', 'missing_here', 'missing_there')
UNION ALL
SELECT
    c.symbol, min(c.date), max(c.date), c.column_name, NULL, NULL, NULL, NULL, count(*), 'not_compared',
    'not reported by one of the sides'
FROM columns_compared AS c
SEMI JOIN of_both AS b ON b.symbol = c.symbol
WHERE c.verdict = 'not_compared'
GROUP BY c.symbol, c.column_name;
