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
  - 2026-11-27 prices that a vendor has not restated yet keep their basis, whatever else in the row is new
--- */
CREATE OR REPLACE TEMP TABLE news AS
WITH stored AS (
    SELECT
        b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.adjusted_close, b.dividend, b.split_ratio,
        b.price_basis, coalesce(f.later_splits, 1.0) AS later_splits
    FROM latest_bars AS b
    LEFT JOIN split_factors AS f
        ON f.symbol = b.symbol AND b.price_basis >= f.basis_from AND b.price_basis < f.basis_until
            AND b.date >= f.history_from AND b.date < f.history_until
    -- DuckDB pushes constants through the window of latest_bars into the scan, but not a sub-query.
    WHERE b.symbol BETWEEN list_min(getvariable('batch_symbols')) AND list_max(getvariable('batch_symbols'))
        AND list_contains(getvariable('batch_symbols'), b.symbol)
),
incoming AS (
    SELECT
        b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.adjusted_close, b.dividend, b.split_ratio,
        b.price_basis, coalesce(f.later_splits, 1.0) AS later_splits,
        max(CASE WHEN b.split_ratio <> 1.0 AND b.date <= b.price_basis THEN b.date END) OVER (PARTITION BY b.symbol)
            AS newest_split
    FROM accepted AS b
    LEFT JOIN split_factors AS f
        ON f.symbol = b.symbol AND b.price_basis >= f.basis_from AND b.price_basis < f.basis_until
            AND b.date >= f.history_from AND b.date < f.history_until
),
paired AS (
    SELECT
        i.symbol, i.date, i.open, i.high, i.low, i.close, i.volume, i.adjusted_close, i.dividend, i.split_ratio,
        i.price_basis, i.later_splits, s.symbol IS NULL AS is_new,
        s.open AS stored_open, s.high AS stored_high, s.low AS stored_low, s.close AS stored_close,
        s.volume AS stored_volume, s.adjusted_close AS stored_adjusted, s.dividend AS stored_dividend,
        s.split_ratio AS stored_ratio, s.later_splits AS stored_splits,
        -- The same prices with a later price basis, and a split in between: the vendor has listed the split, but not
        -- yet adjusted its older prices. They keep their basis, as do the new rows of this answer.
        CASE WHEN NOT $basis_is_declared AND i.price_basis > s.price_basis
            AND (i.later_splits <> s.later_splits OR i.newest_split > s.price_basis)
            AND i.close = s.close AND i.open IS NOT DISTINCT FROM s.open
            AND i.high IS NOT DISTINCT FROM s.high AND i.low IS NOT DISTINCT FROM s.low
            THEN s.price_basis END AS basis_so_far
    FROM incoming AS i
    LEFT JOIN stored AS s ON s.symbol = i.symbol AND s.date = i.date
),
judged AS (
    SELECT
        symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio, price_basis, later_splits,
        is_new, stored_open, stored_high, stored_low, stored_close, stored_volume, stored_adjusted, stored_dividend,
        stored_ratio, stored_splits, basis_so_far,
        max(basis_so_far) OVER (PARTITION BY symbol) AS basis_of_answer
    FROM paired
),
compared AS (
    SELECT
        symbol, date, open, high, low, close, volume,
        CASE
            WHEN basis_so_far IS NOT NULL THEN basis_so_far
            WHEN is_new AND basis_of_answer IS NOT NULL THEN least(price_basis, greatest(basis_of_answer, date))
            ELSE price_basis
        END AS price_basis,
        coalesce(adjusted_close, CASE WHEN close = stored_close THEN stored_adjusted END) AS adjusted_close,
        -- A source without dividends or splits must not delete them from the lake. The stored dividend is converted to
        -- the shares of the new row.
        coalesce(
            dividend,
            stored_dividend * CASE WHEN basis_so_far IS NULL THEN later_splits / stored_splits ELSE 1.0 END
        ) AS dividend,
        coalesce(split_ratio, stored_ratio) AS split_ratio,
        is_new OR (
            -- A row without a close never replaces a bar.
            (close IS NOT NULL OR stored_close IS NULL)
            AND (
                open IS DISTINCT FROM stored_open
                OR high IS DISTINCT FROM stored_high
                OR low IS DISTINCT FROM stored_low
                OR close IS DISTINCT FROM stored_close
                OR volume IS DISTINCT FROM stored_volume
                OR coalesce(adjusted_close, stored_adjusted) IS DISTINCT FROM stored_adjusted
                OR coalesce(dividend, stored_dividend) IS DISTINCT FROM stored_dividend
                OR coalesce(split_ratio, stored_ratio) IS DISTINCT FROM stored_ratio
                -- The same values with another price basis are new only if a person declared the basis.
                OR ($basis_is_declared AND later_splits <> stored_splits)
            )
        ) AS is_news
    FROM judged
)
SELECT
    symbol, date, open, high, low, close, volume, adjusted_close,
    $fetch_timestamp AS fetch_timestamp, dividend, split_ratio, $source AS source, price_basis
FROM compared
WHERE is_news;
