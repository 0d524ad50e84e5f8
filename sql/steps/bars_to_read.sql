/* ---
name: bars_to_read
title: The keys of the bars from which derived rows are computed, to divide the symbols into buckets.
status: active
grain: one row per symbol and date
params: {}
needs: [silver_bars]
variables: [since, restated]
makes:
  bars_to_read: symbol, date
returns: temp view bars_to_read
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP VIEW bars_to_read AS
SELECT symbol, date
FROM silver_bars
WHERE date > getvariable('since') AND NOT list_contains(getvariable('restated'), symbol)
UNION ALL
SELECT symbol, date
FROM silver_bars
-- DuckDB pushes constants into the scan, but not a sub-query.
WHERE symbol BETWEEN list_min(getvariable('restated')) AND list_max(getvariable('restated'))
    AND list_contains(getvariable('restated'), symbol);
