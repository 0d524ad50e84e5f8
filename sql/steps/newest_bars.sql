/* ---
name: newest_bars
title: The newest bar of each symbol of a batch, up to a day.
status: active
grain: one row per symbol that has bars
params: {day: DATE}
needs: [bars]
variables: [batch_symbols]
returns: symbol, date
changes:
  - 2026-11-21 first version
--- */
SELECT symbol, max(date) AS date
FROM bars
-- DuckDB pushes constants through the window of latest_bars into the scan, but not a sub-query.
WHERE symbol BETWEEN list_min(getvariable('batch_symbols')) AND list_max(getvariable('batch_symbols'))
    AND list_contains(getvariable('batch_symbols'), symbol)
    AND date <= $day
GROUP BY symbol
