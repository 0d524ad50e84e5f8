/* ---
name: bars__unique
title: A symbol and session with more than one row.
status: active
severity: fail
blocking: true
by_symbol: true
grain: one row per symbol and date
needs: [latest_bars]
returns: symbol, date, detail
fix: "`stockstream consolidate --full` rewrites silver from all batch files"
changes:
  - 2026-11-21 first version
--- */
SELECT symbol, date, format('{} rows', count(*)) AS detail
FROM latest_bars
GROUP BY symbol, date
HAVING count(*) > 1
ORDER BY symbol, date;
