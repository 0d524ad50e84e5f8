/* ---
name: indicators
title: One row of silver/indicators; the columns name the requests that `stockstream indicators refresh` computes.
status: active
needs: []
grain: one row per symbol and date
returns: the columns below
reference: schema/indicators.parquet is this table without rows (`make sql`); the input is bars_split_adjusted
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE indicators (
    symbol           VARCHAR,  -- the exchange's own code
    date             DATE,     -- session, in the exchange's time zone
    close            DOUBLE,   -- last price, money per share, as in bars_split_adjusted, from which the columns below
                               -- are computed
    sma_20           DOUBLE,   -- mean of the last 20 closes, money per share
    sma_50           DOUBLE,   -- mean of the last 50 closes, money per share
    sma_200          DOUBLE,   -- mean of the last 200 closes, money per share
    ema_12           DOUBLE,   -- exponential average of 12 bars, money per share
    ema_26           DOUBLE,   -- exponential average of 26 bars, money per share
    rsi_14           DOUBLE,   -- relative strength index of 14 bars, 0 to 100
    macd             DOUBLE,   -- ema_12 - ema_26, money per share
    macd_signal      DOUBLE,   -- exponential average of macd of 9 bars, money per share
    macd_hist        DOUBLE,   -- macd - macd_signal, money per share
    stoch_k          DOUBLE,   -- slow stochastic oscillator of 14 bars, 0 to 100
    stoch_d          DOUBLE,   -- mean of the last 3 stoch_k, 0 to 100
    bollinger_upper  DOUBLE,   -- upper band: bollinger_middle + 2 standard deviations, money per share
    bollinger_middle DOUBLE,   -- mean of the last 20 closes, money per share
    bollinger_lower  DOUBLE,   -- lower band: bollinger_middle - 2 standard deviations, money per share
    donchian_upper   DOUBLE,   -- highest high of the last 20 bars, money per share
    donchian_lower   DOUBLE,   -- lowest low of the last 20 bars, money per share
    atr_14           DOUBLE,   -- Wilder's average of the true range of 14 bars, money per share
    obv              DOUBLE,   -- shares, on-balance volume since the first bar
    vwap             DOUBLE,   -- volume-weighted average price since the first bar, money per share
    vwap_value       DOUBLE,   -- money: vwap is vwap_value / vwap_volume, stored so that later runs can continue
                               -- these sums
    vwap_volume      DOUBLE    -- shares since the first bar
);
