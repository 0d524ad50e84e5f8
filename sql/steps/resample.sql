/* ---
name: resample
title: "The resampled bars to write: those after a day, and the whole history of the restated symbols."
status: active
grain: one row per symbol and bucket
params: {}
needs: [resample, bars_split_adjusted]
variables: [since, restated, every]
makes:
  bars_to_resample: symbol, date, open, high, low, close, volume
  derived_rows: symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
returns: temp table derived_rows, the columns of schema/resampled.sql
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE bars_to_resample AS
SELECT symbol, date, open, high, low, close, volume
FROM bars_split_adjusted
WHERE date > getvariable('since') AND NOT list_contains(getvariable('restated'), symbol)
UNION ALL
SELECT symbol, date, open, high, low, close, volume
FROM bars_split_adjusted
-- DuckDB pushes constants into the scan, but not a sub-query.
WHERE symbol BETWEEN list_min(getvariable('restated')) AND list_max(getvariable('restated'))
    AND list_contains(getvariable('restated'), symbol);

CREATE OR REPLACE TEMP TABLE derived_rows AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
FROM resample('bars_to_resample', getvariable('every'));
