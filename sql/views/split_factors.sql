/* ---
name: split_factors
title: The product of the splits after a price basis, for every symbol that has splits.
status: active
grain: one row per symbol, history of the code and interval of price_basis
needs: [latest_bars, code_histories]
returns: symbol, basis_from (first price basis of the interval, inclusive), basis_until (price basis after its last,
  exclusive), later_splits (ratio, product of the splits after the price basis, a stored price / later_splits is in
  today's shares), history_from (first day of the code's history, inclusive), history_until (day after its last,
  exclusive)
reference: a price of basis b, in today's shares, is price / later_splits(b). A split changes only the bars of its own
  company, those from history_from to history_until (views/code_histories.sql); for nearly all symbols that is all time
example: FROM split_factors WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
  - 2026-11-27 the splits of a company do not change the bars of an earlier one with the same code
  - 2026-11-27 the macro split_factors_of, for views that have the histories of codes already
--- */
CREATE OR REPLACE MACRO split_factors_of(histories) AS TABLE
WITH splits AS (
    -- Filters on the stored column, so that DuckDB skips row groups without a split.
    SELECT symbol, date, split_ratio FROM latest_bars WHERE split_ratio > 0 AND split_ratio <> 1
),
of_histories AS (
    SELECT
        s.symbol, s.date, s.split_ratio,
        coalesce(h.history_from, DATE '0001-01-01') AS history_from,
        coalesce(h.history_until, DATE '9999-12-31') AS history_until
    FROM splits AS s
    LEFT JOIN query_table(histories) AS h
        ON h.symbol = s.symbol AND s.date >= h.history_from AND s.date < h.history_until
),
numbered AS (
    SELECT
        symbol, date, split_ratio, history_from, history_until,
        row_number() OVER (PARTITION BY symbol, history_from ORDER BY date) AS no
    FROM of_histories
),
steps AS (
    -- Two rows for the first split: the interval before it has no split of its own.
    SELECT
        symbol, history_from, history_until,
        CASE WHEN is_start THEN DATE '0001-01-01' ELSE date END AS date,
        CASE WHEN is_start THEN 1.0 ELSE split_ratio END AS split_ratio
    FROM numbered
    CROSS JOIN (VALUES (true), (false)) AS kinds (is_start)
    WHERE no = 1 OR NOT is_start
)
SELECT
    symbol,
    date AS basis_from,
    lead(date, 1, DATE '9999-12-31') OVER (PARTITION BY symbol, history_from ORDER BY date) AS basis_until,
    coalesce(
        product(split_ratio) OVER (
            PARTITION BY symbol, history_from ORDER BY date ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ),
        1.0
    ) AS later_splits,
    history_from,
    history_until
FROM steps;

CREATE OR REPLACE VIEW split_factors AS
SELECT symbol, basis_from, basis_until, later_splits, history_from, history_until
FROM split_factors_of('code_histories');
