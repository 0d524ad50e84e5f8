/* ---
name: bars_to_resample
title: "The bars of a bucket of symbols that are resampled: those after a day, and all of the restated symbols."
status: active
grain: one row per symbol and date
params: {}
needs: [bars_split_adjusted]
variables: [since, restated, bucket_from, bucket_until]
makes:
  bars_to_resample: symbol, date, open, high, low, close, volume
returns: temp table bars_to_resample
reference: for all intervals at once; steps/resample.sql computes the rows of one interval from it
changes:
  - 2026-11-27 first version; it was part of resample
--- */
CREATE OR REPLACE TEMP TABLE bars_to_resample AS
SELECT symbol, date, open, high, low, close, volume
FROM bars_split_adjusted
WHERE date > getvariable('since') AND NOT list_contains(getvariable('restated'), symbol)
    AND symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until')
UNION ALL
SELECT symbol, date, open, high, low, close, volume
FROM bars_split_adjusted
-- DuckDB pushes constants into the scan, but not a sub-query.
WHERE symbol BETWEEN list_min(getvariable('restated')) AND list_max(getvariable('restated'))
    AND list_contains(getvariable('restated'), symbol)
    AND symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until');
