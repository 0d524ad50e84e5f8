/* ---
name: recent_splits
title: The symbols of a batch with a split since a day.
status: active
grain: one row per symbol
params: {since: DATE}
needs: [latest_bars]
variables: [batch_symbols]
returns: symbol
changes:
  - 2026-11-27 first version
--- */
SELECT symbol
FROM latest_bars
-- DuckDB pushes constants through the window of latest_bars into the scan, but not a sub-query.
WHERE symbol BETWEEN list_min(getvariable('batch_symbols')) AND list_max(getvariable('batch_symbols'))
    AND list_contains(getvariable('batch_symbols'), symbol)
    AND date >= $since AND split_ratio <> 1.0
GROUP BY symbol
