/* ---
name: actions
title: Dividends and splits by ex-date.
status: active
grain: one row per symbol and date
needs: [latest_bars]
prices: as stored
returns: symbol, date (ex-date), dividend (cash of this ex-date, money per share, 0 if none), split_ratio (new shares
  per old share, ratio, 1 if none), price_basis, source
example: FROM actions WHERE symbol = 'BHP' ORDER BY date
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW actions AS
SELECT
    symbol,
    date,
    coalesce(dividend, 0.0) AS dividend,
    coalesce(split_ratio, 1.0) AS split_ratio,
    price_basis,
    source
FROM latest_bars
WHERE coalesce(dividend, 0.0) <> 0.0 OR coalesce(split_ratio, 1.0) <> 1.0;
