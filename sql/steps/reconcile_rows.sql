/* ---
name: reconcile_rows
title: A lake's rows of a batch of symbols, as they are compared with another source.
status: active
grain: one row per symbol and date
params: {}
needs: [latest_bars]
variables: [batch_symbols, first_day, last_day]
returns: symbol, date, open, high, low, close, volume, dividend, split_ratio, price_basis; days with a split also
  outside the range, because the prices as traded depend on them
reference: batch_symbols is sorted, so that the range of symbols skips row groups
changes:
  - 2026-11-27 first version
--- */
SELECT symbol, date, open, high, low, close, volume, dividend, split_ratio, price_basis
FROM latest_bars
WHERE symbol BETWEEN getvariable('batch_symbols')[1] AND getvariable('batch_symbols')[-1]
    AND symbol IN (SELECT unnest(getvariable('batch_symbols')))
    AND (date BETWEEN getvariable('first_day') AND getvariable('last_day') OR coalesce(split_ratio, 1.0) <> 1.0)
