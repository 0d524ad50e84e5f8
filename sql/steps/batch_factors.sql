/* ---
name: batch_factors
title: The split factors of the symbols of a batch.
status: active
grain: one row per symbol, history of the code and interval of price_basis
params: {}
needs: [split_factors]
variables: [batch_symbols]
makes:
  batch_factors: symbol, basis_from, basis_until, later_splits, history_from, history_until
returns: temp table batch_factors, the columns of split_factors
reference: a join with the view would read all batch files, since the symbols of the other side are no constants
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE batch_factors AS
SELECT symbol, basis_from, basis_until, later_splits, history_from, history_until
FROM split_factors
WHERE symbol BETWEEN list_min(getvariable('batch_symbols')) AND list_max(getvariable('batch_symbols'))
    AND list_contains(getvariable('batch_symbols'), symbol);
