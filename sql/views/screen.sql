/* ---
name: screen
title: "The newest bar per symbol in today's shares, its returns, its place in the year, and the stored indicators."
status: active
grain: one row per symbol
needs: [bars_split_adjusted, indicators, symbols]
prices: split-adjusted
returns: symbol, name (of the company), sector (as the exchange names it), date (of the newest bar), close, volume,
  value (close * volume, money), change_percent (change from the close before, percent), return_5 (change over 5 bars,
  percent), return_21 (change over 21 bars, percent), return_252 (change over 252 bars, percent), high_252 (highest
  high of the last 252 bars, this one included, money per share), low_252 (lowest low of the last 252 bars, this one
  included, money per share), from_high_percent (close from high_252, percent), from_low_percent (close from low_252,
  percent), is_new_high (high above those of the 251 bars before), is_new_low (low below those of the 251 bars
  before), volume_20 (shares, mean of the 20 bars before), volume_ratio (volume / volume_20, ratio), sma_20, sma_50,
  sma_200, ema_12, ema_26, rsi_14, macd, macd_signal, macd_hist, stoch_k, stoch_d, bollinger_upper, bollinger_lower,
  atr_14
reference: a year is 252 bars; a symbol with fewer has NULL where it has no bar so far back, and the extremes of those
  it has; symbols whose newest bar is older than the lake's are in it with their own date; prices without dividends
example: FROM screen WHERE rsi_14 < 30 AND value > 1e6 ORDER BY change_percent
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW screen AS
WITH numbered AS (
    SELECT
        symbol, date, high, low, close, volume,
        row_number() OVER (PARTITION BY symbol ORDER BY date DESC) AS age
    FROM bars_split_adjusted
    QUALIFY age <= 253
),
years AS (
    SELECT
        symbol,
        max(date) AS date,
        max(close) FILTER (WHERE age = 1) AS close,
        max(volume) FILTER (WHERE age = 1) AS volume,
        max(high) FILTER (WHERE age = 1) AS high,
        max(low) FILTER (WHERE age = 1) AS low,
        max(close) FILTER (WHERE age = 2) AS close_1,
        max(close) FILTER (WHERE age = 6) AS close_5,
        max(close) FILTER (WHERE age = 22) AS close_21,
        max(close) FILTER (WHERE age = 253) AS close_252,
        max(coalesce(high, close)) FILTER (WHERE age <= 252) AS high_252,
        min(coalesce(low, close)) FILTER (WHERE age <= 252) AS low_252,
        max(coalesce(high, close)) FILTER (WHERE age BETWEEN 2 AND 252) AS high_before,
        min(coalesce(low, close)) FILTER (WHERE age BETWEEN 2 AND 252) AS low_before,
        avg(volume) FILTER (WHERE age BETWEEN 2 AND 21) AS volume_20
    FROM numbered
    GROUP BY symbol
)
SELECT
    y.symbol, s.name, s.sector, y.date, y.close, y.volume, y.close * y.volume AS value,
    100 * (y.close / y.close_1 - 1) AS change_percent,
    100 * (y.close / y.close_5 - 1) AS return_5,
    100 * (y.close / y.close_21 - 1) AS return_21,
    100 * (y.close / y.close_252 - 1) AS return_252,
    y.high_252, y.low_252,
    100 * (y.close / y.high_252 - 1) AS from_high_percent,
    100 * (y.close / y.low_252 - 1) AS from_low_percent,
    coalesce(y.high > y.high_before, false) AS is_new_high,
    coalesce(y.low < y.low_before, false) AS is_new_low,
    y.volume_20, y.volume / nullif(y.volume_20, 0) AS volume_ratio,
    i.sma_20, i.sma_50, i.sma_200, i.ema_12, i.ema_26, i.rsi_14, i.macd, i.macd_signal, i.macd_hist,
    i.stoch_k, i.stoch_d, i.bollinger_upper, i.bollinger_lower, i.atr_14
FROM years AS y
LEFT JOIN indicators AS i ON i.symbol = y.symbol AND i.date = y.date
LEFT JOIN symbols AS s ON s.symbol = y.symbol;
