/* ---
name: bars_adjusted
title: Bars adjusted for all splits and dividends known today, so that returns are total returns.
status: active
grain: one row per symbol and date
needs: [latest_bars, split_factors, code_histories]
prices: fully adjusted
returns: symbol, date, open, high, low, close (last price, money per share, = stored close * split_factor *
  dividend_factor), volume, dividend (cash per share of today of this ex-date, 0 if none), split_ratio (new shares per
  old share of this ex-date, ratio, 1 if none), split_factor (ratio of the split-adjusted price to the stored one),
  dividend_factor (ratio of the fully adjusted price to the split-adjusted one)
reference: CRSP and Yahoo - before an ex-date prices are multiplied by 1 - dividend / previous close. A dividend at or
  above the previous close changes no price. Factors stop where a code passes to another company (code_histories)
example: FROM bars_adjusted WHERE symbol = 'BHP' ORDER BY date
changes:
  - 2026-11-21 first version
  - 2026-11-27 the actions of a company do not change the bars of an earlier one with the same code
  - 2026-11-27 code_histories is planned once
--- */
CREATE OR REPLACE VIEW bars_adjusted AS
WITH histories AS MATERIALIZED (FROM code_histories),
of_today AS (
    SELECT
        b.symbol, b.date, h.history_from, b.open, b.high, b.low, b.close, b.volume, b.split_ratio,
        1.0 / coalesce(f.later_splits, 1.0) AS split_factor,
        b.close / coalesce(f.later_splits, 1.0) AS split_close,
        coalesce(b.dividend, 0.0) / coalesce(f.later_splits, 1.0) AS dividend
    FROM latest_bars AS b
    LEFT JOIN split_factors_of('histories') AS f
        ON f.symbol = b.symbol AND b.price_basis >= f.basis_from AND b.price_basis < f.basis_until
            AND b.date >= f.history_from AND b.date < f.history_until
    LEFT JOIN histories AS h ON h.symbol = b.symbol AND b.date >= h.history_from AND b.date < h.history_until
),
ex_dates AS (
    SELECT
        symbol, date, history_from, open, high, low, close, volume, split_ratio, split_factor, dividend,
        lag(split_close IGNORE NULLS) OVER (PARTITION BY symbol, history_from ORDER BY date) AS previous_close
    FROM of_today
),
factors AS (
    SELECT
        symbol, date, history_from, open, high, low, close, volume, split_ratio, split_factor, dividend,
        coalesce(
            product(CASE WHEN dividend < previous_close THEN 1.0 - dividend / previous_close ELSE 1.0 END) OVER (
                PARTITION BY symbol, history_from ORDER BY date ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
            ),
            1.0
        ) AS dividend_factor
    FROM ex_dates
)
SELECT
    symbol,
    date,
    open * split_factor * dividend_factor AS open,
    high * split_factor * dividend_factor AS high,
    low * split_factor * dividend_factor AS low,
    close * split_factor * dividend_factor AS close,
    CAST(round(volume / split_factor) AS BIGINT) AS volume,
    dividend,
    coalesce(split_ratio, 1.0) AS split_ratio,
    split_factor,
    dividend_factor
FROM factors
WHERE close IS NOT NULL;
