/* ---
name: news
title: The accepted rows that differ from the rows in the lake.
status: active
grain: one row per symbol and date
params:
  fetch_timestamp: VARCHAR, ISO 8601 UTC
  source: VARCHAR
  basis_is_declared: BOOLEAN, whether the user has declared the price basis
needs: [latest_bars, split_factors, steps/accept]
variables: [batch_symbols]
makes:
  news: symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp, dividend, split_ratio,
    source, price_basis
returns: temp table news, the columns of schema/raw.sql
reference: because only new rows are stored, a second run changes nothing, and fetching the last days again is cheap
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE news AS
WITH stored AS (
    SELECT
        b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.adjusted_close, b.dividend, b.split_ratio,
        coalesce(f.later_splits, 1.0) AS later_splits
    FROM latest_bars AS b
    LEFT JOIN split_factors AS f
        ON f.symbol = b.symbol AND b.price_basis >= f.basis_from AND b.price_basis < f.basis_until
    -- DuckDB pushes constants through the window of latest_bars into the scan, but not a sub-query.
    WHERE b.symbol BETWEEN list_min(getvariable('batch_symbols')) AND list_max(getvariable('batch_symbols'))
        AND list_contains(getvariable('batch_symbols'), b.symbol)
),
incoming AS (
    SELECT
        b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.adjusted_close, b.dividend, b.split_ratio,
        b.price_basis, coalesce(f.later_splits, 1.0) AS later_splits
    FROM accepted AS b
    LEFT JOIN split_factors AS f
        ON f.symbol = b.symbol AND b.price_basis >= f.basis_from AND b.price_basis < f.basis_until
),
compared AS (
    SELECT
        i.symbol, i.date, i.open, i.high, i.low, i.close, i.volume, i.price_basis,
        coalesce(i.adjusted_close, CASE WHEN i.close = s.close THEN s.adjusted_close END) AS adjusted_close,
        -- A source without dividends or splits must not delete them from the lake. The stored dividend is converted to
        -- the shares of the new row.
        coalesce(i.dividend, s.dividend * (i.later_splits / s.later_splits)) AS dividend,
        coalesce(i.split_ratio, s.split_ratio) AS split_ratio,
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
            )
        ) AS is_news
    FROM incoming AS i
    LEFT JOIN stored AS s ON s.symbol = i.symbol AND s.date = i.date
)
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    $fetch_timestamp AS fetch_timestamp, dividend, split_ratio, $source AS source, price_basis
FROM compared
WHERE is_news;
