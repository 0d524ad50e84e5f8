/* ---
name: news
title: "The rows to store: accepted rows that differ from those in the lake, and withdrawals."
status: active
grain: one row per symbol and date
params:
  fetch_timestamp: VARCHAR, ISO 8601 UTC
  source: VARCHAR
  basis_is_declared: BOOLEAN, whether the user has declared the price basis
needs: [steps/paired, steps/withdrawn, steps/held]
makes:
  news: symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp, dividend, split_ratio,
    source, price_basis
returns: temp table news, the columns of schema/raw.sql, with the numbers as they came
reference: because only new rows are stored, a second run changes nothing, and fetching the last days again is cheap.
  Numbers are compared as judged, so that a number that cannot be is not stored again in every run. A withdrawal is a
  row without values. It replaces a row without a close, and says that there is no bar
changes:
  - 2026-11-21 first version
  - 2026-11-27 judged numbers are compared; withdrawals; rows that replace what is in quarantine; prices that a vendor
    has not restated yet keep their basis, whatever else in the row is new
--- */
CREATE OR REPLACE TEMP TABLE news AS
WITH completed AS (
    SELECT
        symbol, date, came, accepted, stored, is_new, later_splits, stored_splits, basis_so_far, price_basis,
        max(basis_so_far) OVER (PARTITION BY symbol) AS basis_of_answer,
        -- A source without a value must not delete it from the lake.
        coalesce(accepted.adjusted_close, stored.adjusted_close) AS adjusted_close,
        coalesce(accepted.dividend, stored.dividend) AS dividend,
        coalesce(accepted.split_ratio, stored.split_ratio) AS split_ratio
    FROM paired
)
SELECT
    c.symbol, c.date, c.came.open AS open, c.came.high AS high, c.came.low AS low, c.came.close AS close,
    c.came.volume AS volume,
    coalesce(
        c.accepted.adjusted_close, CASE WHEN c.accepted.close = c.stored.close THEN c.stored.adjusted_close END,
        c.came.adjusted_close
    ) AS adjusted_close,
    $fetch_timestamp AS fetch_timestamp,
    coalesce(  -- the stored dividend is converted to the shares of the new row
        c.accepted.dividend,
        c.stored.dividend * CASE WHEN c.basis_so_far IS NULL THEN c.later_splits / c.stored_splits ELSE 1.0 END,
        c.came.dividend
    ) AS dividend,
    coalesce(c.split_ratio, c.came.split_ratio) AS split_ratio,
    $source AS source,
    CASE
        WHEN c.basis_so_far IS NOT NULL THEN c.basis_so_far
        WHEN c.is_new AND c.basis_of_answer IS NOT NULL THEN least(c.price_basis, greatest(c.basis_of_answer, c.date))
        ELSE c.price_basis
    END AS price_basis
FROM completed AS c
LEFT JOIN (SELECT symbol, date FROM held WHERE date IS NOT NULL AND NOT is_repeated GROUP BY symbol, date) AS o
    ON o.symbol = c.symbol AND o.date = c.date
WHERE c.is_new OR (
    -- A row without a close never replaces a bar.
    (c.accepted.close IS NOT NULL OR c.stored.close IS NULL)
    AND (
        ROW(c.accepted.open, c.accepted.high, c.accepted.low, c.accepted.close, c.accepted.volume, c.adjusted_close,
            c.dividend, c.split_ratio)
        IS DISTINCT FROM
        ROW(c.stored.open, c.stored.high, c.stored.low, c.stored.close, c.stored.volume, c.stored.adjusted_close,
            c.stored.dividend, c.stored.split_ratio)
        -- The same values with another price basis are new only if a person declared the basis.
        OR ($basis_is_declared AND c.later_splits <> c.stored_splits)
        -- The lake's quarantine has a value of this day that has not come again: the row replaces it.
        OR o.symbol IS NOT NULL
    )
)
UNION ALL
SELECT symbol, date, NULL, NULL, NULL, NULL, NULL, NULL, $fetch_timestamp, NULL, NULL, $source, NULL
FROM withdrawn;
