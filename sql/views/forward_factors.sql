/* ---
name: forward_factors
title: Bars as traded, with factors for the splits and dividends up to each bar's day. No bar depends on later ones.
status: active
grain: one row per symbol and date
params: {src: "name of a table of bars as traded, with dividend and split_ratio"}
needs: []
prices: as traded
returns: symbol, date, open, high, low, close (last price, money per share), volume, dividend (cash of this ex-date,
  money per share, 0 if none), split_ratio (new shares per old share of this ex-date, ratio, 1 if none), price_factor
  (ratio, close * price_factor moves as the total return), split_factor (ratio, shares of the first day = shares /
  split_factor)
reference: as bars_adjusted, but adjusted forward from the first bar instead of back from the last. NaN and infinity
  count as NULL, a split_ratio of 0 or less as no split; the close before an ex-date is the last that is not NULL
example: FROM forward_factors('bars_as_traded') WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
  - 2026-11-27 bars without a close, split ratios of 0, NaN and infinity
--- */
CREATE OR REPLACE MACRO finite(x) AS CASE WHEN isfinite(CAST(x AS DOUBLE)) THEN x END;

CREATE OR REPLACE MACRO forward_factors(src) AS TABLE
WITH closes AS NOT MATERIALIZED (
    SELECT
        symbol, date,
        coalesce(finite(dividend), 0.0) AS dividend,
        CASE WHEN finite(split_ratio) > 0 THEN split_ratio ELSE 1.0 END AS split_ratio,
        lag(finite(close) IGNORE NULLS) OVER w AS last_close,
        lag(CASE WHEN finite(close) IS NOT NULL THEN date END IGNORE NULLS) OVER w AS last_date
    FROM query_table(src)
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
per_share AS (
    SELECT
        symbol, date, dividend, split_ratio,
        -- The previous close, per share as of this day.
        last_close / product(split_ratio) OVER (
            PARTITION BY symbol, last_date ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS previous_close
    FROM closes
    WHERE dividend <> 0 OR split_ratio <> 1
),
ex_dates AS (
    SELECT
        symbol, date,
        lead(date, 1, DATE '9999-12-31') OVER (PARTITION BY symbol ORDER BY date) AS until,
        list(split_ratio) OVER so_far AS splits,
        list(
            split_ratio / CASE WHEN dividend < previous_close THEN 1.0 - dividend / previous_close ELSE 1.0 END
        ) OVER so_far AS steps
    FROM per_share
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
    b.symbol, b.date, finite(b.open) AS open, finite(b.high) AS high, finite(b.low) AS low, finite(b.close) AS close,
    finite(b.volume) AS volume,
    coalesce(finite(b.dividend), 0.0) AS dividend,
    CASE WHEN finite(b.split_ratio) > 0 THEN b.split_ratio ELSE 1.0 END AS split_ratio,
    coalesce(f.price_factor, 1.0) AS price_factor,
    coalesce(f.split_factor, 1.0) AS split_factor
FROM query_table(src) AS b
LEFT JOIN factors AS f ON f.symbol = b.symbol AND b.date >= f.since AND b.date < f.until;
