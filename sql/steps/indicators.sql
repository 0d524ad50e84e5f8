/* ---
name: indicators
title: The bars of a bucket that the indicators are computed from.
status: active
grain: one row per symbol and date
params: {}
needs: [bars_split_adjusted, silver_bars, indicators]
variables: [since, cutoff, lookback, restated, bucket_from, bucket_until]
makes: {whole: symbol, indicator_bars: "symbol, date, open, high, low, close, volume"}
returns: temp table whole (symbols that are computed from their first bar on), and temp view indicator_bars, which is
  right if there are none; otherwise indicators_with_whole replaces it
reference: the caller computes the days after `since`, and all days of the restated symbols. `cutoff` lies so far before
  `since` that most symbols have `lookback` bars in between; the others are computed from their first bar on
changes:
  - 2026-11-21 first version
  - 2026-11-27 indicator_bars is a view, and indicators_with_whole a file of its own
--- */
CREATE OR REPLACE TEMP TABLE whole AS
SELECT symbol
FROM silver_bars
WHERE date > getvariable('cutoff') AND NOT list_contains(getvariable('restated'), symbol)
    AND symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until')
GROUP BY symbol
HAVING min(bar_no) > 0 AND count(*) FILTER (WHERE date <= getvariable('since')) < getvariable('lookback')
UNION ALL
SELECT symbol
FROM unnest(getvariable('restated')) AS restated (symbol)
WHERE symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until');

CREATE OR REPLACE TEMP VIEW indicator_bars AS
SELECT symbol, date, open, high, low, close, volume
FROM bars_split_adjusted
WHERE date > getvariable('cutoff')
    AND symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until');
