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
    concat_ws(
        ', ',
        concat(verdict, ' (', other, ')'),
        CASE WHEN missing_here > 0 THEN format('{} bars missing here', missing_here) END,
        CASE WHEN missing_there > 0 THEN format('{} missing there', missing_there) END,
        CASE WHEN shifted > 0 THEN format('{} shifted', shifted) END,
        CASE WHEN ratio > 0 THEN format('{} with another ratio', ratio) END,
        CASE WHEN prices > 0 THEN format('{} prices differ', prices) END,
        CASE WHEN volumes > 0 THEN format('{} volumes differ', volumes) END,
        CASE WHEN actions > 0 THEN format('{} actions differ', actions) END
    ) AS detail
FROM reconciled_symbols
WHERE verdict NOT IN ('equal', 'within_tolerance')
ORDER BY symbol, other;
