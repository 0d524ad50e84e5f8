/* ---
name: reconciled
title: Differences between the lake's bars and other sources, and a verdict per symbol, from the last reconciliations.
status: active
grain: one row per other source, symbol, column and day (or stretch of days)
needs: [silver_bars]
prices: as traded
returns: the columns of schema/reconciled.sql
reference: schema/reconciled.sql describes the columns; `stockstream reconcile` writes them
example: FROM reconciled WHERE symbol = 'BHP' ORDER BY date
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW reconciled AS
SELECT
    symbol, date, through, column_name, here, there, ticks, ratio, bars, verdict, detail, other, compared_at
FROM read_parquet(list_concat([schema_file('reconciled')], silver_files('reconciled', 'base')))
WHERE NOT list_contains(restated_symbols('reconciled'), symbol)
UNION ALL
SELECT
    symbol, date, through, column_name, here, there, ticks, ratio, bars, verdict, detail, other, compared_at
FROM read_parquet(list_concat([schema_file('reconciled')], silver_files('reconciled', 'delta')));
