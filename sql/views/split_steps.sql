/* ---
name: split_steps
title: "Stored closes that still make the step of a split, in today's shares: it is not in the prices, or there twice."
status: active
grain: one row per symbol and date
params: {min_ratio: "smaller splits are left out, because a price may move as much in a day: 1.5 looks at 3:2 and 2:3"}
needs: [bars, split_factors]
returns: symbol, date, previous_date (of the stored close before), split_ratio (new shares per old share, ratio), step
  (previous close / close, ratio), is_adjusted (one of the two prices includes splits after its day)
reference: closes are in today's shares, so that the step is about 1 where the prices are right. Two neighbours are
  compared where a split lies between their days or between their price bases, or if both include later splits as of
  different fetches. Their step counts as the split's if it differs from the ratio by less than a quarter of the ratio,
  both as logarithms, in either direction
example: FROM split_steps(1.5) WHERE symbol = 'BHP'
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO split_steps(min_ratio) AS TABLE
WITH of_today AS (
    SELECT
        b.symbol, b.date, b.price_basis, b.close / stored.later_splits AS close, stored.later_splits AS stored_splits,
        traded.later_splits AS traded_splits, stored.later_splits <> traded.later_splits AS is_adjusted
    FROM bars AS b
    JOIN split_factors AS stored
        ON stored.symbol = b.symbol AND b.price_basis >= stored.basis_from AND b.price_basis < stored.basis_until
            AND b.date >= stored.history_from AND b.date < stored.history_until
    JOIN split_factors AS traded
        ON traded.symbol = b.symbol AND b.date >= traded.basis_from AND b.date < traded.basis_until
            AND b.date >= traded.history_from AND b.date < traded.history_until
    WHERE b.close > 0
),
neighbours AS (
    SELECT
        symbol, date, price_basis, close, stored_splits, traded_splits, is_adjusted,
        lag(price_basis) OVER by_day AS previous_basis,
        lag(date) OVER by_day AS previous_date,
        lag(close) OVER by_day AS previous_close,
        lag(stored_splits) OVER by_day AS previous_stored,
        lag(traded_splits) OVER by_day AS previous_traded,
        lag(is_adjusted) OVER by_day AS was_adjusted
    FROM of_today
    WINDOW by_day AS (PARTITION BY symbol ORDER BY date)
),
steps AS (
    SELECT
        symbol, date, previous_date, previous_close / close AS step, is_adjusted OR was_adjusted AS is_adjusted,
        CASE
            WHEN previous_traded <> traded_splits THEN previous_traded / traded_splits
            WHEN previous_stored <> stored_splits THEN previous_stored / stored_splits
            ELSE traded_splits / stored_splits
        END AS split_ratio
    FROM neighbours
    WHERE previous_traded <> traded_splits OR previous_stored <> stored_splits
        OR (is_adjusted AND previous_basis <> price_basis)
)
SELECT symbol, date, previous_date, split_ratio, step, is_adjusted
FROM steps
WHERE abs(ln(split_ratio)) >= ln(min_ratio)
    AND abs(abs(ln(step)) - abs(ln(split_ratio))) < abs(ln(split_ratio)) / 4;
