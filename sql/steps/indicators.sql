/* ---
name: indicators
title: The bars that indicators are to be computed of, and where each symbol's sums stood.
status: active
grain: one row per symbol and date
params: {}
needs: [bars_split_adjusted, silver_bars, indicators, "the variables since, cutoff (DATE), lookback (bars) and restated (list of symbols)"]
returns: temp tables whole (symbols computed from their first bar on), indicator_bars and carried
reference: days after `since` are wanted, and all of the restated symbols' days; `cutoff` is so far before `since` that most symbols
  have `lookback` bars in between, and those that have not are computed whole
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE whole AS
SELECT symbol
FROM silver_bars
WHERE date > getvariable('cutoff') AND NOT list_contains(getvariable('restated'), symbol)
GROUP BY symbol
HAVING min(bar_no) > 0 AND count(*) FILTER (WHERE date <= getvariable('since')) < getvariable('lookback')
UNION ALL
SELECT unnest(getvariable('restated'));

CREATE OR REPLACE TEMP TABLE indicator_bars AS
SELECT symbol, date, open, high, low, close, volume
FROM bars_split_adjusted
WHERE date > getvariable('cutoff') AND symbol NOT IN (SELECT symbol FROM whole)
UNION ALL
SELECT symbol, date, open, high, low, close, volume
FROM bars_split_adjusted
-- Constants reach the scan; a sub-query would not.
WHERE symbol BETWEEN (SELECT min(symbol) FROM whole) AND (SELECT max(symbol) FROM whole)
    AND symbol IN (SELECT symbol FROM whole);
