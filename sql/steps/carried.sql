/* ---
name: carried
title: Per symbol what a following bar needs of the bars before it, as averages, sums and extremes.
status: active
grain: one row per symbol
params: {}
needs: [bars_split_adjusted, split_factors, signals, steps/indicators, schema/carried]
variables: [session]
makes:
  derived_rows: symbol, date, close, bars, sum_19, sum_49, sum_199, ema_12, ema_26, gain_14, loss_14, gold, high_20,
    low_20, high_252, low_252, volume_20
returns: temp table derived_rows, the columns of schema/carried.sql, of the bars of indicator_bars before `session`
reference: an average that begins with a mean is a weighted sum. A new value weighs a; with q = 1 - a, the n bars of the
  mean weigh q ^ (bars - n) / n each, and bar k after them, counted from 0, weighs a * q ^ (bars - 1 - k)
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE derived_rows AS
WITH numbered AS (
    SELECT
        symbol, date, high, low, close, volume,
        row_number() OVER later AS back,
        isfinite(high) AND isfinite(low) AS has_range,
        count(*) FILTER (WHERE isfinite(high) AND isfinite(low)) OVER later AS back_range,
        count(volume) OVER later AS back_volume
    FROM indicator_bars
    WHERE date < getvariable('session') AND isfinite(close)
    WINDOW later AS (PARTITION BY symbol ORDER BY date DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
changes AS (
    SELECT
        symbol, date, high, low, close, volume, back, has_range, back_range, back_volume,
        row_number() OVER w - 1 AS k,
        count(*) OVER (PARTITION BY symbol) AS bars,
        close - lag(close) OVER w AS change,
        CASE WHEN count(*) OVER w50 = 50 THEN avg(close) OVER w50 END AS sma_50,
        CASE WHEN count(*) OVER w200 = 200 THEN avg(close) OVER w200 END AS sma_200
    FROM numbered
    WHERE back <= 520
    WINDOW
        w AS (PARTITION BY symbol ORDER BY date),
        w50 AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 49 PRECEDING AND CURRENT ROW),
        w200 AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN 199 PRECEDING AND CURRENT ROW)
),
sides AS (
    SELECT
        symbol, date, high, low, close, volume, back, has_range, back_range, back_volume, k, bars,
        greatest(change, 0e0) AS gain, greatest(-change, 0e0) AS loss,
        side(sma_50, sma_200, sma_50 + sma_200) AS gold,
        CASE WHEN k <= 14 THEN pow(13e0 / 14, bars - least(15, bars)) / least(14, bars - 1)
            ELSE pow(13e0 / 14, bars - 1 - k) / 14 END AS wilder_14,
        CASE WHEN k < 12 THEN pow(11e0 / 13, bars - least(12, bars)) / least(12, bars)
            ELSE pow(11e0 / 13, bars - 1 - k) * 2 / 13 END AS weight_12,
        CASE WHEN k < 26 THEN pow(25e0 / 27, bars - least(26, bars)) / least(26, bars)
            ELSE pow(25e0 / 27, bars - 1 - k) * 2 / 27 END AS weight_26
    FROM changes
),
sums AS (
    SELECT
        symbol, max(date) AS date, arg_max(close, date) AS close, max(bars) AS bars,
        CASE WHEN max(bars) >= 19 THEN sum(close) FILTER (WHERE back <= 19) END AS sum_19,
        CASE WHEN max(bars) >= 49 THEN sum(close) FILTER (WHERE back <= 49) END AS sum_49,
        CASE WHEN max(bars) >= 199 THEN sum(close) FILTER (WHERE back <= 199) END AS sum_199,
        CASE WHEN max(bars) >= 11 THEN sum(close * weight_12) END AS ema_12,
        CASE WHEN max(bars) >= 25 THEN sum(close * weight_26) END AS ema_26,
        CASE WHEN max(bars) >= 14 THEN sum(gain * wilder_14) FILTER (WHERE k > 0) END AS gain_14,
        CASE WHEN max(bars) >= 14 THEN sum(loss * wilder_14) FILTER (WHERE k > 0) END AS loss_14,
        coalesce(arg_max(gold, date) FILTER (WHERE gold <> 0), arg_max(gold, date)) AS gold,
        CASE WHEN max(back_range) >= 20 THEN max(high) FILTER (WHERE has_range AND back_range <= 20) END AS high_20,
        CASE WHEN max(back_range) >= 20 THEN min(low) FILTER (WHERE has_range AND back_range <= 20) END AS low_20,
        CASE WHEN max(back_range) >= 252 THEN max(high) FILTER (WHERE has_range AND back_range <= 252) END AS high_252,
        CASE WHEN max(back_range) >= 252 THEN min(low) FILTER (WHERE has_range AND back_range <= 252) END AS low_252,
        CASE WHEN max(back_volume) >= 20 THEN avg(volume) FILTER (WHERE back_volume <= 20) END AS volume_20
    FROM sides
    GROUP BY symbol
),
-- From today's shares to those of the row's date: the splits after it are those of pending rows, or of later bars.
factors AS (
    SELECT
        s.symbol, s.date, s.close, s.bars, s.sum_19, s.sum_49, s.sum_199, s.ema_12, s.ema_26, s.gain_14, s.loss_14,
        s.gold, s.high_20, s.low_20, s.high_252, s.low_252, s.volume_20, coalesce(f.later_splits, 1e0) AS f
    FROM sums AS s
    LEFT JOIN split_factors AS f
        ON f.symbol = s.symbol AND s.date >= f.basis_from AND s.date < f.basis_until
            AND s.date >= f.history_from AND s.date < f.history_until
)
SELECT
    symbol, date, close * f AS close, CAST(bars AS INTEGER) AS bars, sum_19 * f AS sum_19, sum_49 * f AS sum_49,
    sum_199 * f AS sum_199, ema_12 * f AS ema_12, ema_26 * f AS ema_26, gain_14 * f AS gain_14, loss_14 * f AS loss_14,
    gold, high_20 * f AS high_20, low_20 * f AS low_20, high_252 * f AS high_252, low_252 * f AS low_252,
    volume_20 / f AS volume_20
FROM factors;
