/* ---
name: daily_ranges
title: The ranges to be written.
status: active
grain: one row per symbol and date
params: {}
needs: [bars_split_adjusted]
variables: [since, restated]
makes: {derived_rows: "symbol, date, range_pct"}
returns: temp table derived_rows, the columns of schema/daily_ranges.sql
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE TEMP TABLE derived_rows AS
SELECT symbol, date, 100 * (high - low) / close AS range_pct
FROM bars_split_adjusted
WHERE date > getvariable('since') OR list_contains(getvariable('restated'), symbol);
