/* ---
name: carried
title: Averages, sums and extremes up to each symbol's newest published bar, from which live indicators continue.
status: active
grain: one row per symbol
needs: [silver_bars]
prices: split-adjusted
returns: the columns of schema/carried.sql
reference: schema/carried.sql describes the columns; prices and volumes are in the shares of the row's date. A lake of
  an earlier version has no rows until the next `stockstream run`
example: FROM carried WHERE symbol = 'BHP'
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW carried AS
SELECT
    symbol, date, close, bars, sum_19, sum_49, sum_199, ema_12, ema_26, gain_14, loss_14, gold, high_20, low_20,
    high_252, low_252, volume_20
FROM read_parquet(list_concat([schema_file('carried')], silver_files('carried', 'base')))
WHERE NOT list_contains(restated_symbols('carried'), symbol)
UNION ALL
SELECT
    symbol, date, close, bars, sum_19, sum_49, sum_199, ema_12, ema_26, gain_14, loss_14, gold, high_20, low_20,
    high_252, low_252, volume_20
FROM read_parquet(list_concat([schema_file('carried')], silver_files('carried', 'delta')));
