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
    symbol     VARCHAR,
    date       DATE,     -- of the symbol's newest bar
    close      DOUBLE,   -- of that bar
    bars       INTEGER,  -- number of bars in the history, at most 520: earlier ones weigh less than 1e-16
    sum_19     DOUBLE,   -- the sum of the last 19 closes; with the next close it is that of sma_20
    sum_49     DOUBLE,
    sum_199    DOUBLE,
    ema_12     DOUBLE,   -- from bar 12 on; of 11 bars, their mean
    ema_26     DOUBLE,   -- from bar 26 on; of 25 bars, their mean
    gain_14    DOUBLE,   -- Wilder's average of the rises, as in rsi_14; of 13 changes, their mean
    loss_14    DOUBLE,   -- and of the falls
    gold       INTEGER,  -- the last side of sma_50 of sma_200: 1 above, -1 below, 0 if they never differed
    high_20    DOUBLE,   -- the highest high of the last 20 bars with high and low
    low_20     DOUBLE,
    high_252   DOUBLE,   -- the same of 252 bars, which are 52 weeks
    low_252    DOUBLE,
    volume_20  DOUBLE    -- the mean of the last 20 volumes
);
