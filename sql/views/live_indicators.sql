/* ---
name: live_indicators
title: The indicators of live bars, each from the bar and the row of its symbol in a table such as carried.
status: active
grain: one row per live bar whose symbol has earlier bars
params: {live_bars: "such as 'live'", earlier: "averages, sums and extremes per symbol, such as 'carried'"}
needs: [carried, live]
prices: as traded
returns: "symbol, session, open, high, low, close, volume, split_ratio, sma_20 (mean of the last 20 closes, this one
  included, money per share), sma_50 (mean of the last 50 closes, this one included, money per share), sma_200 (mean
  of the last 200 closes, this one included, money per share), ema_12 (exponential average of 12 bars, money per
  share), ema_26 (exponential average of 26 bars, money per share), rsi_14 (relative strength index of 14 bars, 0 to
  100), rsi_14_before (rsi_14 of the bar before, 0 to 100), gold_before (side of sma_50 of sma_200 at the bar before:
  1 above, -1 below, 0 if they never differed), high_20 (highest high of the 20 bars before, money per share), low_20
  (lowest low of the 20 bars before, money per share), high_252 (highest high of the 252 bars before, money per
  share), low_252 (lowest low of the 252 bars before, money per share), volume_20 (shares, mean of the 20 bars
  before)"
reference: the columns that `indicators` has equal those of the batch on bars_live. All are in the shares of the
  session, as the live bar's split_ratio converts what is carried
example: FROM live_indicators('live', 'carried')
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO live_indicators(live_bars, earlier) AS TABLE
WITH in_shares AS (
    SELECT
        l.symbol, l.session, l.open, l.high, l.low, l.close, l.volume, l.split_ratio, c.bars, c.gold,
        l.close - c.close / l.split_ratio AS change,
        c.sum_19 / l.split_ratio AS sum_19, c.sum_49 / l.split_ratio AS sum_49, c.sum_199 / l.split_ratio AS sum_199,
        c.ema_12 / l.split_ratio AS ema_12, c.ema_26 / l.split_ratio AS ema_26,
        c.gain_14 / l.split_ratio AS gain, c.loss_14 / l.split_ratio AS loss,
        c.high_20 / l.split_ratio AS high_20, c.low_20 / l.split_ratio AS low_20,
        c.high_252 / l.split_ratio AS high_252, c.low_252 / l.split_ratio AS low_252,
        c.volume_20 * l.split_ratio AS volume_20
    FROM query_table(live_bars) AS l
    JOIN query_table(earlier) AS c ON c.symbol = l.symbol AND c.date < l.session
),
moved AS (
    SELECT
        symbol, session, open, high, low, close, volume, split_ratio, bars, gold, sum_19, sum_49, sum_199,
        ema_12, ema_26, high_20, low_20, high_252, low_252, volume_20, gain AS gain_before, loss AS loss_before,
        (13 * gain + greatest(change, 0e0)) / 14 AS gain, (13 * loss + greatest(-change, 0e0)) / 14 AS loss
    FROM in_shares
)
SELECT
    symbol, session, open, high, low, close, volume, split_ratio,
    (sum_19 + close) / 20 AS sma_20, (sum_49 + close) / 50 AS sma_50, (sum_199 + close) / 200 AS sma_200,
    CASE WHEN bars = 11 THEN (11 * ema_12 + close) / 12 ELSE (11 * ema_12 + 2 * close) / 13 END AS ema_12,
    CASE WHEN bars = 25 THEN (25 * ema_26 + close) / 26 ELSE (25 * ema_26 + 2 * close) / 27 END AS ema_26,
    CASE WHEN gain + loss = 0 THEN 0e0 ELSE 100 * gain / (gain + loss) END AS rsi_14,
    CASE WHEN bars < 15 THEN NULL WHEN gain_before + loss_before = 0 THEN 0e0
        ELSE 100 * gain_before / (gain_before + loss_before) END AS rsi_14_before,
    gold AS gold_before, high_20, low_20, high_252, low_252, volume_20
FROM moved;
