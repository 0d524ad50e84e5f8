/* ---
name: reconcile_sides
title: The rows of both sides on one basis, the prices as traded on their day, with the size of a tick.
status: active
grain: one row per side, symbol and date
params: {}
needs: [steps/reconcile_judged]
makes: {sides: "side, symbol, date, open, high, low, close, volume, dividend, split_ratio, price_tick, dividend_tick,
  volume_unit"}
returns: temp table sides
reference: splits between a row's day and its price_basis are taken out of its values. A side that reports no split
  ratios at all for a symbol has those of the other side. A tick is one unit of the last digit that a side's prices of a
  symbol have, at most 0.01; a number written with float32's precision counts as the decimal number that it stands for
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE sides AS
WITH of_symbol AS (
    SELECT
        side, symbol, count(split_ratio) > 0 AS has_splits,
        pow(10.0, -max(greatest(digits_of(open), digits_of(high), digits_of(low), digits_of(close)))) AS price_tick,
        pow(10.0, -max(digits_of(dividend))) AS dividend_tick
    FROM judged
    GROUP BY side, symbol
),
splits AS (
    SELECT o.side, j.symbol, j.date, j.split_ratio
    FROM of_symbol AS o
    JOIN judged AS j ON j.symbol = o.symbol AND (j.side = o.side) = o.has_splits
    WHERE j.split_ratio <> 1
),
inside AS (
    SELECT
        j.side, j.symbol, j.date,
        product(CASE WHEN s.date > j.date THEN s.split_ratio ELSE 1.0 / s.split_ratio END) AS factor
    FROM judged AS j
    JOIN splits AS s ON s.side = j.side AND s.symbol = j.symbol
        AND s.date > least(j.date, j.price_basis) AND s.date <= greatest(j.date, j.price_basis)
    GROUP BY j.side, j.symbol, j.date
)
SELECT
    j.side, j.symbol, j.date,
    j.open * coalesce(i.factor, 1.0) AS open,
    j.high * coalesce(i.factor, 1.0) AS high,
    j.low * coalesce(i.factor, 1.0) AS low,
    j.close * coalesce(i.factor, 1.0) AS close,
    j.volume / coalesce(i.factor, 1.0) AS volume,
    j.dividend * coalesce(i.factor, 1.0) AS dividend,
    j.split_ratio,
    o.price_tick * coalesce(i.factor, 1.0) AS price_tick,
    o.dividend_tick * coalesce(i.factor, 1.0) AS dividend_tick,
    1.0 / coalesce(i.factor, 1.0) AS volume_unit
FROM judged AS j
JOIN of_symbol AS o ON o.side = j.side AND o.symbol = j.symbol
LEFT JOIN inside AS i ON i.side = j.side AND i.symbol = j.symbol AND i.date = j.date;
