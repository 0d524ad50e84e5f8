/* ---
name: signals
title: Crossovers, oversold and overbought turns, and breakouts, on the days on which they happen.
status: active
grain: one row per symbol, date and signal
needs: [indicators]
prices: split-adjusted
returns: symbol, date, signal (golden_cross, death_cross, macd_up, macd_down, oversold, overbought, breakout_up,
  breakout_down, above_bands, below_bands), close (last price, money per share)
reference: a signal falls on the day on which its condition becomes true; oversold and overbought are RSI 14 below
  30 and above 70; a breakout is a close beyond the extremes of the previous 20 bars with high and low (Donchian). Two
  numbers differ if they do by more than 1e-10 of the magnitudes that are subtracted. This is ten times the 1e-11 to
  which stored indicators are determined, and a ten-thousandth of the smallest tick (1e-6 of the price). After a cross,
  lines that do not differ are where they were, so that touching is no turn
example: FROM signals WHERE date = (SELECT max(date) FROM indicators) ORDER BY signal, symbol
changes:
  - 2026-11-21 first version
  - 2026-11-27 rounding errors are no turns; a bar without high or low hides no breakout
--- */
-- 1 if a is above b, -1 if below, 0 if they do not differ by more than rounding errors of numbers as large as scale.
CREATE OR REPLACE MACRO side(a, b, scale) AS CASE
    WHEN a - b > 1e-10 * scale THEN 1 WHEN b - a > 1e-10 * scale THEN -1 WHEN a - b IS NOT NULL THEN 0
END;

CREATE OR REPLACE VIEW signals AS
WITH sides AS (
    SELECT
        symbol, date, close, side(sma_50, sma_200, sma_50 + sma_200) AS gold,
        side(macd, macd_signal, ema_12 + ema_26) AS macd,
        side(rsi_14, 30, 100) AS low_rsi, side(rsi_14, 70, 100) AS high_rsi,
        side(close, bollinger_upper, close + bollinger_middle) AS upper,
        side(close, bollinger_lower, close + bollinger_middle) AS lower,
        side(close, lag(donchian_upper IGNORE NULLS) OVER w, close) AS high,
        side(close, lag(donchian_lower IGNORE NULLS) OVER w, close) AS low
    FROM indicators
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
turns AS (
    SELECT
        symbol, date, close, gold, macd, low_rsi, high_rsi, upper, lower, high, low,
        -- Crosses: the side before, or 0 if the lines have never differed.
        coalesce(lag(nullif(gold, 0) IGNORE NULLS) OVER w, lag(gold IGNORE NULLS) OVER w) AS was_gold,
        coalesce(lag(nullif(macd, 0) IGNORE NULLS) OVER w, lag(macd IGNORE NULLS) OVER w) AS was_macd,
        lag(low_rsi) OVER w AS was_low_rsi, lag(high_rsi) OVER w AS was_high_rsi,
        lag(upper) OVER w AS was_upper, lag(lower) OVER w AS was_lower,
        lag(high) OVER w AS was_high, lag(low) OVER w AS was_low
    FROM sides
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
named AS (
    SELECT symbol, date, close, unnest([
        CASE WHEN gold = 1 AND was_gold < 1 THEN 'golden_cross' END,
        CASE WHEN gold = -1 AND was_gold > -1 THEN 'death_cross' END,
        CASE WHEN macd = 1 AND was_macd < 1 THEN 'macd_up' END,
        CASE WHEN macd = -1 AND was_macd > -1 THEN 'macd_down' END,
        CASE WHEN low_rsi = -1 AND was_low_rsi > -1 THEN 'oversold' END,
        CASE WHEN high_rsi = 1 AND was_high_rsi < 1 THEN 'overbought' END,
        CASE WHEN high = 1 AND was_high < 1 THEN 'breakout_up' END,
        CASE WHEN low = -1 AND was_low > -1 THEN 'breakout_down' END,
        CASE WHEN upper = 1 AND was_upper < 1 THEN 'above_bands' END,
        CASE WHEN lower = -1 AND was_lower > -1 THEN 'below_bands' END
    ]) AS signal
    FROM turns
)
SELECT symbol, date, signal, close FROM named WHERE signal IS NOT NULL;
