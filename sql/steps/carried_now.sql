/* ---
name: carried_now
title: What live bars of a session continue from, in the shares before the session's own split.
status: active
grain: one row per symbol
params: {}
needs: [carried, latest_bars, schema/carried, steps/carried, steps/live_closes]
variables: [session]
tables:
  last_closes: symbol VARCHAR, date DATE, close DOUBLE, split_ratio DOUBLE
makes:
  carried_now: symbol, date, close, bars, sum_19, sum_49, sum_199, ema_12, ema_26, gain_14, loss_14, gold, high_20,
    low_20, high_252, low_252, volume_20
returns: temp table carried_now, the columns of schema/carried.sql
reference: the caller's table last_closes has the last close of each symbol before the session, as live_closes returns
  it. A row of the published table is used if it is of that bar, otherwise the row of derived_rows, which the caller
  makes with steps/carried. Splits between the bar and the session are those of days on which the symbol has no close
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE carried_now AS
WITH chosen AS (
    SELECT
        c.symbol, c.date, c.close, c.bars, c.sum_19, c.sum_49, c.sum_199, c.ema_12, c.ema_26, c.gain_14, c.loss_14,
        c.gold, c.high_20, c.low_20, c.high_252, c.low_252, c.volume_20
    FROM carried AS c
    JOIN last_closes AS b ON b.symbol = c.symbol AND b.date = c.date
    UNION ALL
    SELECT
        d.symbol, d.date, d.close, d.bars, d.sum_19, d.sum_49, d.sum_199, d.ema_12, d.ema_26, d.gain_14, d.loss_14,
        d.gold, d.high_20, d.low_20, d.high_252, d.low_252, d.volume_20
    FROM derived_rows AS d
    JOIN last_closes AS b ON b.symbol = d.symbol AND b.date = d.date
    ANTI JOIN carried AS c ON c.symbol = d.symbol AND c.date = d.date
),
splits AS (
    SELECT c.symbol, product(s.split_ratio) AS ratio
    FROM chosen AS c
    JOIN latest_bars AS s ON s.symbol = c.symbol AND s.date > c.date
    WHERE s.split_ratio > 0 AND s.split_ratio <> 1 AND s.date < getvariable('session')
        AND s.date >= getvariable('session') - INTERVAL 370 DAY
    GROUP BY c.symbol
)
SELECT
    c.symbol, c.date, c.close / coalesce(s.ratio, 1e0) AS close, c.bars,
    c.sum_19 / coalesce(s.ratio, 1e0) AS sum_19, c.sum_49 / coalesce(s.ratio, 1e0) AS sum_49,
    c.sum_199 / coalesce(s.ratio, 1e0) AS sum_199,
    c.ema_12 / coalesce(s.ratio, 1e0) AS ema_12, c.ema_26 / coalesce(s.ratio, 1e0) AS ema_26,
    c.gain_14 / coalesce(s.ratio, 1e0) AS gain_14, c.loss_14 / coalesce(s.ratio, 1e0) AS loss_14, c.gold,
    c.high_20 / coalesce(s.ratio, 1e0) AS high_20, c.low_20 / coalesce(s.ratio, 1e0) AS low_20,
    c.high_252 / coalesce(s.ratio, 1e0) AS high_252, c.low_252 / coalesce(s.ratio, 1e0) AS low_252,
    c.volume_20 * coalesce(s.ratio, 1e0) AS volume_20
FROM chosen AS c
LEFT JOIN splits AS s ON s.symbol = c.symbol;
