/* ---
name: keys_to_write
title: "The keys of the bars that a consolidation writes: those after the cut, and all of the restated symbols."
status: active
grain: one row per symbol, date and place (silver, batch file)
params: {}
needs: [silver_bars, read_stored, read_merged]
variables: [cut, restated]
makes:
  keys_to_write: symbol, date, is_restated
returns: temp view keys_to_write; a bar that silver has and a batch file has again occurs in it twice
reference: it is counted to decide what becomes a file of base, and to divide the symbols into buckets
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP VIEW keys_to_write AS
SELECT symbol, date, false AS is_restated
FROM silver_bars
WHERE date > getvariable('cut') AND NOT list_contains(getvariable('restated'), symbol)
UNION ALL
SELECT symbol, date, true AS is_restated
FROM silver_bars
-- DuckDB pushes constants into the scan, but not a sub-query.
WHERE symbol BETWEEN list_min(getvariable('restated')) AND list_max(getvariable('restated'))
    AND list_contains(getvariable('restated'), symbol)
UNION ALL
SELECT symbol, date, list_contains(getvariable('restated'), symbol) AS is_restated
FROM read_stored(fresh_files())
WHERE date > getvariable('cut') OR list_contains(getvariable('restated'), symbol);
