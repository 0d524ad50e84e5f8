/* ---
name: changed_batches
title: The consolidated batch files with a row that is not the one which silver took from them.
status: active
grain: one row per file
params: {}
needs: [read_raw, silver_bars]
variables: [bucket_from, bucket_until, is_partial]
returns: file, detail
reference: for silver that is as it was published (its SHA-256), and judged by the present rules. A row has the time of
  its fetch, so that silver's row of that time came from one of the files with this time; where several have it, one of
  them has silver's values
changes:
  - 2026-11-27 first version
--- */
WITH compared AS (
    SELECT
        r.file, r.symbol, r.date, r.close, s.close AS consolidated,
        CASE
            WHEN s.fetch_timestamp IS DISTINCT FROM r.fetch_timestamp THEN
                -- A later row without a close does not replace a bar.
                s.symbol IS NOT NULL AND (r.fetch_timestamp < s.fetch_timestamp OR r.close IS NULL)
            ELSE ROW(
                r.open, r.high, r.low, r.close, r.volume, r.adjusted_close, r.dividend, r.split_ratio, r.source,
                r.price_basis
            ) IS NOT DISTINCT FROM ROW(
                s.open, s.high, s.low, s.close, s.volume, s.adjusted_close, s.dividend, s.split_ratio, s.source,
                s.price_basis
            )
        END AS is_good
    FROM read_raw(raw_files()) AS r
    LEFT JOIN silver_bars AS s ON s.symbol = r.symbol AND s.date = r.date
    WHERE r.symbol >= getvariable('bucket_from') AND r.symbol < getvariable('bucket_until')
        AND (NOT getvariable('is_partial') OR s.fetch_timestamp = r.fetch_timestamp)
),
judged AS (
    SELECT
        file, symbol, date, close, consolidated, is_good,
        bool_or(is_good) OVER (PARTITION BY symbol, date) AS has_original
    FROM compared
)
SELECT
    file,
    min(concat(
        symbol, ' on ', date, ' has close ', coalesce(CAST(close AS VARCHAR), 'NULL'), ', silver ',
        coalesce('took ' || consolidated, 'has no close')
    )) AS detail
FROM judged
WHERE NOT is_good AND NOT has_original
GROUP BY file
ORDER BY file
