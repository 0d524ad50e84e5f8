/* ---
name: only_in_silver
title: The bars of a bucket that silver has from a fetch of which no batch file and no archive is left.
status: active
grain: one row per symbol and date
params: {}
needs: [silver_bars, read_stored, read_merged]
variables: [bucket_from, bucket_until]
returns: the columns of schema/raw.sql; ordered by symbol and date
reference: fresh_files are all batch files and the archive. A later fetch of the same day that is gone is newer than the
  one that is left, so that it is the fetch that is compared, and not the day alone
changes:
  - 2026-11-27 first version
--- */
SELECT
    s.symbol, s.date, s.open, s.high, s.low, s.close, s.volume, s.adjusted_close,
    s.fetch_timestamp, s.dividend, s.split_ratio, s.source, s.price_basis
FROM silver_bars AS s
ANTI JOIN (
    SELECT symbol, date, fetch_timestamp
    FROM read_stored(fresh_files())
    WHERE symbol >= getvariable('bucket_from') AND symbol < getvariable('bucket_until')
) AS r ON r.symbol = s.symbol AND r.date = s.date AND r.fetch_timestamp = s.fetch_timestamp
WHERE s.symbol >= getvariable('bucket_from') AND s.symbol < getvariable('bucket_until')
ORDER BY s.symbol, s.date
