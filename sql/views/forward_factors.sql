/* ---
name: forward_factors
title: Bars as traded, with factors for the splits and dividends up to each bar's day. No bar depends on later ones.
status: active
grain: one row per symbol and date
params: {src: "name of a table of bars as traded, with dividend and split_ratio"}
needs: []
returns: symbol, date, open, high, low, close, volume, dividend, split_ratio, price_factor (close * price_factor
  moves as the total return), split_factor (shares of the first day = shares / split_factor)
reference: as bars_adjusted, but adjusted forward from the first bar instead of back from the last
example: FROM forward_factors('bars_as_traded') WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO forward_factors(src) AS TABLE
WITH closes AS NOT MATERIALIZED (
    SELECT
        symbol, date,
        coalesce(dividend, 0.0) AS dividend,
        coalesce(split_ratio, 1.0) AS split_ratio,
        -- The previous close, per share as of this day.
        lag(close) OVER (PARTITION BY symbol ORDER BY date) / coalesce(split_ratio, 1.0) AS previous_close
    FROM query_table(src)
),
ex_dates AS (
    SELECT
        symbol, date,
        lead(date, 1, DATE '9999-12-31') OVER (PARTITION BY symbol ORDER BY date) AS until,
        list(split_ratio) OVER so_far AS splits,
        list(
            split_ratio / CASE WHEN dividend < previous_close THEN 1.0 - dividend / previous_close ELSE 1.0 END
        ) OVER so_far AS steps
    FROM closes
    WHERE dividend <> 0 OR split_ratio <> 1
    WINDOW so_far AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
factors AS (
    -- list_reduce() multiplies in date order. product() groups its factors by the position of the rows, so that later
    -- rows would change the last digit of earlier results.
    SELECT
        symbol, date AS since, until,
        list_reduce(steps, lambda x, y: x * y) AS price_factor,
        list_reduce(splits, lambda x, y: x * y) AS split_factor
    FROM ex_dates
)
SELECT
    b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume,
    coalesce(b.dividend, 0.0) AS dividend,
    coalesce(b.split_ratio, 1.0) AS split_ratio,
    coalesce(f.price_factor, 1.0) AS price_factor,
    coalesce(f.split_factor, 1.0) AS split_factor
FROM query_table(src) AS b
LEFT JOIN factors AS f ON f.symbol = b.symbol AND b.date >= f.since AND b.date < f.until;
