/* ---
name: indicators_with_whole
title: The bars of a bucket that indicators are computed from, if symbols are computed from their first bar on.
status: active
grain: one row per symbol and date
params: {}
needs: [bars_split_adjusted, steps/indicators]
variables: [cutoff, bucket_from, bucket_until]
tables: {whole: symbol VARCHAR}
makes: {indicator_bars: "symbol, date, open, high, low, close, volume"}
returns: temp view indicator_bars
reference: a file of its own, as its planning costs as much as reading the bars of a bucket for a day's refresh
changes:
  - 2026-11-27 first version; it was part of steps/indicators
--- */
CREATE OR REPLACE TEMP VIEW indicator_bars AS
SELECT symbol, date, open, high, low, close, volume
FROM bars_split_adjusted
WHERE date > getvariable('cutoff') AND symbol NOT IN (SELECT symbol FROM whole)
    AND symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until')
UNION ALL
SELECT symbol, date, open, high, low, close, volume
FROM bars_split_adjusted
-- DuckDB pushes constants into the scan, but not a sub-query.
WHERE symbol BETWEEN (SELECT min(symbol) FROM whole) AND (SELECT max(symbol) FROM whole)
    AND symbol IN (SELECT symbol FROM whole);
