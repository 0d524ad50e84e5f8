/* ---
name: daily_ranges
title: The range of each bar in per cent of its close.
status: active
grain: one row per symbol and date
needs: [silver_bars]
returns: the columns of schema/daily_ranges.sql
example: FROM daily_ranges WHERE symbol = 'BHP' ORDER BY date DESC LIMIT 10
changes:
  - 2026-11-26 first version
--- */
CREATE OR REPLACE VIEW daily_ranges AS
SELECT symbol, date, range_pct
FROM read_parquet(list_concat([schema_file('daily_ranges')], silver_files('daily_ranges', 'base')))
WHERE NOT list_contains(restated_symbols('daily_ranges'), symbol)
UNION ALL
SELECT symbol, date, range_pct
FROM read_parquet(list_concat([schema_file('daily_ranges')], silver_files('daily_ranges', 'delta')));
