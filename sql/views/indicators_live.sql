/* ---
name: indicators_live
title: The indicators of the live bars, as the batch will compute them if the session ends with these bars.
status: active
grain: one row per live bar whose symbol has earlier bars
needs: [live, carried, live_indicators]
prices: as traded
returns: the columns of live_indicators
reference: live_indicators describes the columns. A live bar whose session the batch has is not there, as in bars_live
example: FROM indicators_live WHERE rsi_14 < 30
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW indicators_live AS
SELECT
    symbol, session, open, high, low, close, volume, split_ratio, sma_20, sma_50, sma_200, ema_12, ema_26, rsi_14,
    rsi_14_before, gold_before, high_20, low_20, high_252, low_252, volume_20
FROM live_indicators('live', 'carried');
