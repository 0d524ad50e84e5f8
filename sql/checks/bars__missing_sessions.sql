/* ---
name: bars__missing_sessions
title: A session of the last year that most symbols lack, or that a symbol lacks inside its history.
status: active
severity: warn
grain: one row per session that most symbols lack (symbol NULL), then one per symbol for all others
needs: [bars, gaps]
returns: symbol, date (the first missing one), detail
reference: it is a warning, because suspended companies have no bars and vendors disagree with calendars. The year ends
  with the newest bar, so that a lake of old data can be checked; `stockstream status` reports the sessions that a
  symbol lacks after its last bar
fix: "`stockstream backfill --start DATE --end DATE` fetches these sessions again"
changes:
  - 2026-11-21 first version
--- */
WITH missing AS (
    SELECT symbol, date
    FROM gaps
    WHERE date > (SELECT max(date) FROM bars) - INTERVAL 1 YEAR
),
of_market AS (
    SELECT m.date, count(*) AS lacking, any_value(p.bars) AS bars
    FROM missing AS m
    LEFT JOIN (SELECT date, count(*) AS bars FROM bars GROUP BY date) AS p ON p.date = m.date
    GROUP BY m.date
    HAVING count(*) > coalesce(any_value(p.bars), 0)
)
SELECT NULL AS symbol, date, format('{} of {} symbols have no bar', lacking, lacking + coalesce(bars, 0)) AS detail
FROM of_market
UNION ALL
SELECT m.symbol, min(m.date), format('{} sessions without a bar, the last {}', count(*), max(m.date))
FROM missing AS m
ANTI JOIN of_market AS o ON o.date = m.date
GROUP BY m.symbol
ORDER BY symbol NULLS FIRST, date;
