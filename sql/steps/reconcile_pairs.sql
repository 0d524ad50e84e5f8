/* ---
name: reconcile_pairs
title: The bars of both sides side by side.
status: active
grain: one row per symbol and date that one of the sides has
params: {}
needs: [steps/reconcile_sides]
variables: [first_day, last_day]
tables: {limits: "tick DOUBLE, price_ticks DOUBLE, volume_share DOUBLE"}
makes: {pairs: "symbol, date, here, there, dividend_here, dividend_there, split_here, split_there, tick, max_difference,
  dividend_tick, volume_unit"}
returns: temp table pairs; `here` and `there` are the bars, NULL where a side has none
reference: the coarser side decides the tick; max_difference is the tolerance of prices in money, at least half a tick
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE pairs AS
WITH here_side AS (
    SELECT symbol, date, open, high, low, close, volume, dividend, split_ratio, price_tick, dividend_tick, volume_unit
    FROM sides WHERE side = 'here'
),
there_side AS (
    SELECT symbol, date, open, high, low, close, volume, dividend, split_ratio, price_tick, dividend_tick, volume_unit
    FROM sides WHERE side = 'there'
),
joined AS (
    SELECT
        coalesce(h.symbol, t.symbol) AS symbol,
        coalesce(h.date, t.date) AS date,
        CASE WHEN h.close IS NOT NULL THEN {
            day: h.date, open: h.open, high: h.high, low: h.low, close: h.close, volume: h.volume
        } END AS here,
        CASE WHEN t.close IS NOT NULL THEN {
            day: t.date, open: t.open, high: t.high, low: t.low, close: t.close, volume: t.volume
        } END AS there,
        h.dividend AS dividend_here, t.dividend AS dividend_there,
        h.split_ratio AS split_here, t.split_ratio AS split_there,
        greatest(
            coalesce(h.price_tick, 0.0), coalesce(t.price_tick, 0.0),
            coalesce(h.close, 0.0) * 1.2e-7, coalesce(t.close, 0.0) * 1.2e-7  -- float32's precision
        ) AS tick,
        greatest(coalesce(h.dividend_tick, 0.0), coalesce(t.dividend_tick, 0.0)) AS dividend_tick,
        greatest(coalesce(h.volume_unit, 0.0), coalesce(t.volume_unit, 0.0)) AS volume_unit
    FROM here_side AS h
    FULL JOIN there_side AS t ON t.symbol = h.symbol AND t.date = h.date
)
SELECT
    j.symbol, j.date, j.here, j.there, j.dividend_here, j.dividend_there, j.split_here, j.split_there,
    coalesce(l.tick, j.tick) AS tick,
    greatest(l.price_ticks, 0.5) * coalesce(l.tick, j.tick) * 1.000001 AS max_difference,
    j.dividend_tick, j.volume_unit
FROM joined AS j
CROSS JOIN limits AS l
WHERE j.date BETWEEN getvariable('first_day') AND getvariable('last_day');
