/* ---
name: newest_day
title: The newest day of the bars that a step computes from.
status: active
grain: no rows
params: {}
needs: [bars]
variables: [since]
sets: [newest_day]
returns: the variable newest_day
reference: a bucket of symbols, which may all be delisted, does not show it
changes:
  - 2026-11-27 first version
--- */
SET VARIABLE newest_day = (SELECT max(date) FROM bars WHERE date > getvariable('since'));
