/* ---
name: signals
title: Crossovers, oversold and overbought turns, and breakouts, on the days on which they happen.
status: active
grain: one row per symbol, date and signal
needs: [indicators]
returns: symbol, date, signal (golden_cross, death_cross, macd_up, macd_down, oversold, overbought, breakout_up,
  breakout_down, above_bands, below_bands), close
reference: a signal falls on the day on which its condition becomes true; oversold and overbought are RSI 14 below
  30 and above 70; a breakout is a close beyond the extremes of the previous 20 sessions (Donchian)
example: FROM signals WHERE date = (SELECT max(date) FROM indicators) ORDER BY signal, symbol
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW signals AS
WITH today AS (
    SELECT
        symbol, date, close, sma_50 > sma_200 AS is_golden, macd > macd_signal AS is_macd_up,
        rsi_14 < 30 AS is_oversold, rsi_14 > 70 AS is_overbought,
        close > bollinger_upper AS is_above, close < bollinger_lower AS is_below,
        close > lag(donchian_upper) OVER w AS is_high, close < lag(donchian_lower) OVER w AS is_low
    FROM indicators
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
turns AS (
    SELECT
        symbol, date, close, is_golden, is_macd_up, is_oversold, is_overbought, is_above, is_below, is_high, is_low,
        lag(is_golden) OVER w AS was_golden, lag(is_macd_up) OVER w AS was_macd_up,
        lag(is_oversold) OVER w AS was_oversold, lag(is_overbought) OVER w AS was_overbought,
        lag(is_above) OVER w AS was_above, lag(is_below) OVER w AS was_below,
        lag(is_high) OVER w AS was_high, lag(is_low) OVER w AS was_low
    FROM today
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
named AS (
    SELECT symbol, date, close, unnest([
        CASE WHEN is_golden AND NOT was_golden THEN 'golden_cross' END,
        CASE WHEN NOT is_golden AND was_golden THEN 'death_cross' END,
        CASE WHEN is_macd_up AND NOT was_macd_up THEN 'macd_up' END,
        CASE WHEN NOT is_macd_up AND was_macd_up THEN 'macd_down' END,
        CASE WHEN is_oversold AND NOT was_oversold THEN 'oversold' END,
        CASE WHEN is_overbought AND NOT was_overbought THEN 'overbought' END,
        CASE WHEN is_high AND NOT was_high THEN 'breakout_up' END,
        CASE WHEN is_low AND NOT was_low THEN 'breakout_down' END,
        CASE WHEN is_above AND NOT was_above THEN 'above_bands' END,
        CASE WHEN is_below AND NOT was_below THEN 'below_bands' END
    ]) AS signal
    FROM turns
)
SELECT symbol, date, signal, close FROM named WHERE signal IS NOT NULL;
