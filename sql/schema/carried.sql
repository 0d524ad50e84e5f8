/* ---
name: carried
title: One row of silver/carried; what a bar that follows needs of the bars before it, to have exact indicators.
status: active
needs: []
grain: one row per symbol
returns: the columns below
reference: schema/carried.parquet is this table without rows (`make sql`); steps/carried computes it from
  bars_split_adjusted. Prices, volumes and their sums are in the shares of the row's date
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE carried (
    symbol     VARCHAR,  -- the exchange's own code
    date       DATE,     -- of the symbol's newest bar
    close      DOUBLE,   -- of that bar, money per share
    bars       INTEGER,  -- number of bars in the history, at most 520: earlier ones weigh less than 1e-16
    sum_19     DOUBLE,   -- sum of the last 19 closes, money per share; with the next close it is that of sma_20
    sum_49     DOUBLE,   -- sum of the last 49 closes, money per share
    sum_199    DOUBLE,   -- sum of the last 199 closes, money per share
    ema_12     DOUBLE,   -- exponential average, money per share, from bar 12 on; of 11 bars, their mean
    ema_26     DOUBLE,   -- exponential average, money per share, from bar 26 on; of 25 bars, their mean
    gain_14    DOUBLE,   -- Wilder's average of the rises, money per share, as in rsi_14; of 13 changes, their mean
    loss_14    DOUBLE,   -- Wilder's average of the falls, money per share
    gold       INTEGER,  -- the last side of sma_50 of sma_200: 1 above, -1 below, 0 if they never differed
    high_20    DOUBLE,   -- highest high of the last 20 bars with high and low, money per share
    low_20     DOUBLE,   -- lowest low of these bars, money per share
    high_252   DOUBLE,   -- highest high of the last 252 bars, which are 52 weeks, money per share
    low_252    DOUBLE,   -- lowest low of these bars, money per share
    volume_20  DOUBLE    -- shares, mean of the last 20 bars
);
