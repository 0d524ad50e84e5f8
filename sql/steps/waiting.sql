/* ---
name: waiting
title: The symbols whose newest row has no close yet, neither in the source's answer nor in the lake.
status: active
grain: one row per symbol
params: {}
needs: [bars, steps/faulty]
variables: [batch_symbols]
returns: symbol, date, reason
changes:
  - 2026-11-21 first version
  - 2026-11-27 the reason
--- */
SELECT
    newest.symbol, newest.date,
    coalesce(
        format('the close of {} is held back: {}', newest.date, f.reason), format('no close yet for {}', newest.date)
    ) AS reason
FROM (
    SELECT symbol, max(date) AS date
    FROM accepted
    GROUP BY symbol
    HAVING max(date) > coalesce(max(date) FILTER (WHERE close IS NOT NULL), DATE '0001-01-01')
) AS newest
ANTI JOIN (
    SELECT symbol, date
    FROM bars
    -- DuckDB pushes constants through the window of latest_bars into the scan, but not a sub-query.
    WHERE symbol BETWEEN list_min(getvariable('batch_symbols')) AND list_max(getvariable('batch_symbols'))
        AND list_contains(getvariable('batch_symbols'), symbol)
) AS stored ON stored.symbol = newest.symbol AND stored.date = newest.date
LEFT JOIN (
    SELECT symbol, date, min(reason) AS reason FROM faulty WHERE column_name = 'close' GROUP BY symbol, date
) AS f ON f.symbol = newest.symbol AND f.date = newest.date
ORDER BY newest.symbol
