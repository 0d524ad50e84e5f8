/* ---
name: bars_split_adjusted
title: Bars in today's shares, adjusted for splits but not for dividends, as charts show them.
status: active
grain: one row per symbol and date
needs: [bars, split_factors]
prices: split-adjusted
returns: symbol, date, open, high, low, close, volume, dividend (cash of this ex-date, money per share, 0 if none),
  split_ratio (new shares per old share of this ex-date, ratio, 1 if none)
example: FROM bars_split_adjusted WHERE symbol = 'BHP' ORDER BY date
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW bars_split_adjusted AS
SELECT
    b.symbol,
    b.date,
    b.open / coalesce(f.later_splits, 1.0) AS open,
    b.high / coalesce(f.later_splits, 1.0) AS high,
    b.low / coalesce(f.later_splits, 1.0) AS low,
    b.close / coalesce(f.later_splits, 1.0) AS close,
    CAST(round(b.volume * coalesce(f.later_splits, 1.0)) AS BIGINT) AS volume,
    coalesce(b.dividend, 0.0) / coalesce(f.later_splits, 1.0) AS dividend,
    coalesce(b.split_ratio, 1.0) AS split_ratio
FROM bars AS b
LEFT JOIN split_factors AS f
    ON f.symbol = b.symbol AND b.price_basis >= f.basis_from AND b.price_basis < f.basis_until
        AND b.date >= f.history_from AND b.date < f.history_until;
