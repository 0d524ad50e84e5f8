/* ---
name: forward_factors
title: Bars as traded with the splits and dividends up to each bar's own day as factors, so that no bar knows its future.
status: active
grain: one row per symbol and date
params: {src: "name of a table or view with symbol, date, open, high, low, close, volume, dividend, split_ratio, as traded"}
needs: []
returns: symbol, date, open, high, low, close, volume, dividend, split_ratio, price_factor (close * price_factor moves as the
  total return), split_factor (shares of the first day = shares / split_factor)
reference: as bars_adjusted, but adjusted from the first bar on instead of from the last one back
example: SELECT date, close * price_factor AS close FROM forward_factors('bars_as_traded') WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO forward_factors(src) AS TABLE
WITH bars AS (
    SELECT
        symbol, date, open, high, low, close, volume,
        coalesce(dividend, 0.0) AS dividend,
        coalesce(split_ratio, 1.0) AS split_ratio,
        -- The close before, of as much as is a share on this day.
        lag(close) OVER (PARTITION BY symbol ORDER BY date) / coalesce(split_ratio, 1.0) AS previous_close
    FROM query_table(src)
)
SELECT
    symbol, date, open, high, low, close, volume, dividend, split_ratio,
    product(
        split_ratio / CASE WHEN dividend < previous_close THEN 1.0 - dividend / previous_close ELSE 1.0 END
    ) OVER so_far AS price_factor,
    product(split_ratio) OVER so_far AS split_factor
FROM bars
WINDOW so_far AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW);

COMMENT ON MACRO TABLE forward_factors IS
    'Bars as traded with the splits and dividends up to each bar''s own day as factors, so that no bar knows its future.';
