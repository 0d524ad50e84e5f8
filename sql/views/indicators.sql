/* ---
name: indicators
title: The indicators that the pipeline stores, computed from split-adjusted bars.
status: active
grain: one row per symbol and date
needs: [silver_bars]
prices: split-adjusted
returns: the columns of schema/indicators.sql
reference: schema/indicators.sql describes the columns; `stockstream indicators refresh` computes them; other indicators
  are macros, as in FROM rsi('bars_adjusted', 21)
example: FROM indicators WHERE symbol = 'BHP' ORDER BY date DESC LIMIT 10
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW indicators AS
SELECT
    symbol, date, close, sma_20, sma_50, sma_200, ema_12, ema_26, rsi_14, macd, macd_signal, macd_hist,
    stoch_k, stoch_d, bollinger_upper, bollinger_middle, bollinger_lower, donchian_upper, donchian_lower,
    atr_14, obv, vwap, vwap_value, vwap_volume
FROM read_parquet(list_concat([schema_file('indicators')], silver_files('indicators', 'base')))
WHERE NOT list_contains(restated_symbols('indicators'), symbol)
UNION ALL
SELECT
    symbol, date, close, sma_20, sma_50, sma_200, ema_12, ema_26, rsi_14, macd, macd_signal, macd_hist,
    stoch_k, stoch_d, bollinger_upper, bollinger_middle, bollinger_lower, donchian_upper, donchian_lower,
    atr_14, obv, vwap, vwap_value, vwap_volume
FROM read_parquet(list_concat([schema_file('indicators')], silver_files('indicators', 'delta')));
