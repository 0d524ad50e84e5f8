/* ---
name: unrestated
title: The symbols of a batch whose stored prices contradict a split that they should include.
status: active
grain: one row per symbol
params: {}
needs: [split_steps]
variables: [batch_symbols]
returns: symbol
reference: prices as traded include no later split, so that another fetch would change nothing; they are left out
changes:
  - 2026-11-27 first version
--- */
SELECT symbol
FROM split_steps(1.5)
WHERE symbol BETWEEN list_min(getvariable('batch_symbols')) AND list_max(getvariable('batch_symbols'))
    AND list_contains(getvariable('batch_symbols'), symbol)
    AND is_adjusted
GROUP BY symbol
