/* ---
name: news
title: "The rows to store: accepted rows that differ from those in the lake, and withdrawals."
status: active
grain: one row per symbol and date
params:
  fetch_timestamp: VARCHAR, ISO 8601 UTC
  source: VARCHAR
  basis_is_declared: BOOLEAN, whether the user has declared the price basis
needs: [split_factors, steps/stored, steps/held]
tables: {answered: "symbol VARCHAR"}
makes:
  news: symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp, dividend, split_ratio,
    source, price_basis
returns: temp table news, the columns of schema/raw.sql, with the numbers as they came
reference: because only new rows are stored, a second run changes nothing, and fetching the last days again is cheap.
  Numbers are compared as judged, so that a number that cannot be is not stored again in every run. A withdrawal is a
  row without values. It replaces a row without a close, and says that there is no bar
changes:
  - 2026-11-21 first version
  - 2026-11-27 judged numbers are compared; withdrawals; rows that replace what is in quarantine
--- */
CREATE OR REPLACE TEMP TABLE news AS
WITH outdated AS (
    SELECT symbol, date FROM held WHERE date IS NOT NULL AND NOT is_repeated GROUP BY symbol, date
),
incoming AS (
    SELECT
        b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.adjusted_close, b.dividend, b.split_ratio,
        b.price_basis, b.came, coalesce(f.later_splits, 1.0) AS later_splits
    FROM accepted AS b
    LEFT JOIN split_factors AS f
        ON f.symbol = b.symbol AND b.price_basis >= f.basis_from AND b.price_basis < f.basis_until
),
compared AS (
    SELECT
        i.symbol, i.date, i.came, i.price_basis,
        coalesce(
            i.adjusted_close, CASE WHEN i.close = s.close THEN s.adjusted_close END, i.came.adjusted_close
        ) AS adjusted_close,
        -- A source without dividends or splits must not delete them from the lake. The stored dividend is converted to
        -- the shares of the new row.
        coalesce(i.dividend, s.dividend * (i.later_splits / s.later_splits), i.came.dividend) AS dividend,
        coalesce(i.split_ratio, s.split_ratio, i.came.split_ratio) AS split_ratio,
        s.symbol IS NULL OR (
            -- A row without a close never replaces a bar.
            (i.close IS NOT NULL OR s.close IS NULL)
            AND (
                i.open IS DISTINCT FROM s.open
                OR i.high IS DISTINCT FROM s.high
                OR i.low IS DISTINCT FROM s.low
                OR i.close IS DISTINCT FROM s.close
                OR i.volume IS DISTINCT FROM s.volume
                OR coalesce(i.adjusted_close, s.adjusted_close) IS DISTINCT FROM s.adjusted_close
                OR coalesce(i.dividend, s.dividend) IS DISTINCT FROM s.dividend
                OR coalesce(i.split_ratio, s.split_ratio) IS DISTINCT FROM s.split_ratio
                -- The same values with another price basis, and a split in between. If the user declared the basis, the
                -- row is new. If a vendor sent it, the vendor has listed the split but not yet adjusted its prices.
                OR ($basis_is_declared AND i.later_splits <> s.later_splits)
                -- The lake's quarantine has a value of this day that has not come again: the row replaces it.
                OR o.symbol IS NOT NULL
            )
        ) AS is_news
    FROM incoming AS i
    LEFT JOIN stored AS s ON s.symbol = i.symbol AND s.date = i.date
    LEFT JOIN outdated AS o ON o.symbol = i.symbol AND o.date = i.date
),
withdrawn AS (
    SELECT w.symbol, w.date
    FROM (
        SELECT symbol, date FROM stored WHERE close IS NULL AND NOT is_empty
        UNION
        SELECT symbol, date FROM outdated
    ) AS w
    ANTI JOIN (SELECT symbol, date FROM stored WHERE close IS NOT NULL) AS s ON s.symbol = w.symbol AND s.date = w.date
    ANTI JOIN (SELECT symbol, date FROM accepted UNION ALL SELECT symbol, date FROM faulty) AS a
        ON a.symbol = w.symbol AND a.date = w.date
    LEFT JOIN (SELECT symbol, date FROM arrived WHERE is_empty GROUP BY symbol, date) AS e
        ON e.symbol = w.symbol AND e.date = w.date
    LEFT JOIN answered AS n ON n.symbol = w.symbol
    -- A vendor that answers without this day has no bar of it; a person's file may have only some days.
    WHERE e.symbol IS NOT NULL OR (n.symbol IS NOT NULL AND NOT $basis_is_declared)
)
SELECT
    symbol, date, came.open AS open, came.high AS high, came.low AS low, came.close AS close, came.volume AS volume,
    adjusted_close, $fetch_timestamp AS fetch_timestamp, dividend, split_ratio, $source AS source, price_basis
FROM compared
WHERE is_news
UNION ALL
SELECT symbol, date, NULL, NULL, NULL, NULL, NULL, NULL, $fetch_timestamp, NULL, NULL, $source, NULL
FROM withdrawn;
