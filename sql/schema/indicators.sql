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
    symbol           VARCHAR,
    date             DATE,
    close            DOUBLE,  -- as in bars_split_adjusted, from which the columns below are computed
    sma_20           DOUBLE,
    sma_50           DOUBLE,
    sma_200          DOUBLE,
    ema_12           DOUBLE,
    ema_26           DOUBLE,
    rsi_14           DOUBLE,
    macd             DOUBLE,
    macd_signal      DOUBLE,
    macd_hist        DOUBLE,
    stoch_k          DOUBLE,
    stoch_d          DOUBLE,
    bollinger_upper  DOUBLE,
    bollinger_middle DOUBLE,
    bollinger_lower  DOUBLE,
    donchian_upper   DOUBLE,
    donchian_lower   DOUBLE,
    atr_14           DOUBLE,
    obv              DOUBLE,
    vwap             DOUBLE,
    vwap_value       DOUBLE,  -- vwap is vwap_value / vwap_volume: stored so that later runs can continue these sums
    vwap_volume      DOUBLE
);
