/* ---
name: bars_as_traded
title: Bars as traded on their day, before any later split.
status: active
grain: one row per symbol and date
needs: [bars, split_factors]
prices: as traded
returns: symbol, date, open, high, low, close, volume, dividend (cash of this ex-date, money per share, 0 if none),
  split_ratio (new shares per old share of this ex-date, ratio, 1 if none)
example: FROM bars_as_traded WHERE symbol = 'BHP' ORDER BY date
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW bars_as_traded AS
WITH bases AS (
    SELECT
        b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.dividend, b.split_ratio,
        -- The product of the splits after the bar's day that its stored price already includes.
        coalesce(traded.later_splits, 1.0) / coalesce(stored.later_splits, 1.0) AS splits_inside
    FROM bars AS b
    LEFT JOIN split_factors AS stored
        ON stored.symbol = b.symbol AND b.price_basis >= stored.basis_from AND b.price_basis < stored.basis_until
            AND b.date >= stored.history_from AND b.date < stored.history_until
    LEFT JOIN split_factors AS traded
        ON traded.symbol = b.symbol AND b.date >= traded.basis_from AND b.date < traded.basis_until
            AND b.date >= traded.history_from AND b.date < traded.history_until
)
SELECT
    symbol,
    date,
    open * splits_inside AS open,
    high * splits_inside AS high,
    low * splits_inside AS low,
    close * splits_inside AS close,
    CAST(round(volume / splits_inside) AS BIGINT) AS volume,
    coalesce(dividend, 0.0) * splits_inside AS dividend,
    coalesce(split_ratio, 1.0) AS split_ratio
FROM bases;
