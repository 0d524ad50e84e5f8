/* ---
name: resample
title: "The resampled bars of an interval to write: those after a day, and all of the restated symbols."
status: active
grain: one row per symbol and bucket
params: {}
needs: [resample, steps/bars_to_resample, steps/newest_day]
variables: [since, restated, every, newest_day]
makes:
  derived_rows: symbol, date, first_date, ends_on, open, high, low, close, volume, bars, is_open
returns: temp table derived_rows, the columns of schema/resampled.sql
reference: bars_to_resample begins where the interval needs it that begins first; the rows up to `since` are left out
changes:
  - 2026-11-21 first version
  - 2026-11-27 the table bars_to_resample is made once for all intervals
--- */
CREATE OR REPLACE TEMP TABLE derived_rows AS
SELECT symbol, date, first_date, ends_on, open, high, low, close, volume, bars,
    ends_on > getvariable('newest_day') AS is_open
FROM resample('bars_to_resample', getvariable('every'))
WHERE ends_on > getvariable('since') OR list_contains(getvariable('restated'), symbol);
