/* ---
name: reconciled__differences
title: A symbol whose bars differ from those of another source, in the last reconciliation with it.
status: active
severity: warn
grain: one row per other source and symbol
needs: [reconciled_symbols]
returns: symbol, date, detail
reference: it passes if nothing was reconciled. `stockstream check --sql "FROM unreconciled(7)"` demands a clean
  reconciliation of every symbol, no older than seven days
fix: "look at `FROM reconciled WHERE symbol = ...`; after a correction, run `stockstream reconcile` again"
changes:
  - 2026-11-27 first version
--- */
SELECT
    symbol, date,
    format(
        '{} ({}): {} bars missing, {} shifted, {} with another ratio; {} prices, {} volumes, {} actions differ',
        verdict, other, missing_here + missing_there, shifted, ratio, prices, volumes, actions
    ) AS detail
FROM reconciled_symbols
WHERE verdict NOT IN ('equal', 'within_tolerance')
ORDER BY symbol, other;
