/* ---
name: bars__silver_against_raw
title: A row of a consolidated batch file that silver does not have, or only in an older version or with other values.
status: active
severity: fail
blocking: true
by_symbol: true
grain: one row per symbol, date and fetch
needs: [read_raw, silver_bars, read_merged]
variables: [manifest, listed_files, archived, unreadable_files]
returns: symbol, date, file, detail
reference: it repeats the order of read_merged on purpose, because a check that shares the code it checks cannot find
  its faults (tests/sql/test_checks.py compares the two). A row in silver that is newer than those of the batch files
  comes from a file that was deleted; one of the same moment with other values can come from another batch file, so that
  it is bad only if all of them are compared. Rows that only deleted files contained are not checked
fix: "`stockstream consolidate --full` takes the rows from all batch files again"
changes:
  - 2026-11-21 first version
  - 2026-11-27 other values of the same moment are bad, also larger ones
--- */
WITH stored AS NOT MATERIALIZED (  -- DuckDB pushes a condition on symbol into the scans
    SELECT
        r.symbol, r.date, r.file, r.close, r.fetch_timestamp, ROW(
            r.close IS NOT NULL, r.fetch_timestamp, r.close, coalesce(r.volume, -9223372036854775807),
            coalesce(r.price_basis, '-infinity'), coalesce(r.open, '-inf'), coalesce(r.high, '-inf'),
            coalesce(r.low, '-inf'), coalesce(r.adjusted_close, '-inf'), coalesce(r.dividend, '-inf'),
            coalesce(r.split_ratio, '-inf'), coalesce(r.source, '')
        ) AS version
    FROM read_raw(raw_files()) AS r
    SEMI JOIN (SELECT unnest(getvariable('manifest').consolidated) AS name) AS c ON c.name = parse_filename(r.file)
),
served AS NOT MATERIALIZED (
    SELECT
        symbol, date, close, fetch_timestamp, ROW(
            close IS NOT NULL, coalesce(fetch_timestamp, ''), close, coalesce(volume, -9223372036854775807),
            coalesce(price_basis, '-infinity'), coalesce(open, '-inf'), coalesce(high, '-inf'),
            coalesce(low, '-inf'), coalesce(adjusted_close, '-inf'), coalesce(dividend, '-inf'),
            coalesce(split_ratio, '-inf'), coalesce(source, '')
        ) AS version
    FROM silver_bars
),
missing AS (  -- the batch files that are not compared, when single ones are published or deleted
    SELECT count(*) AS files
    FROM unnest(getvariable('listed_files')) AS listed (file)
    ANTI JOIN unnest(list_concat(raw_files(), coalesce(getvariable('unreadable_files'), []))) AS compared (file)
        ON compared.file = listed.file
    ANTI JOIN unnest(list_concat(getvariable('manifest').set_aside, getvariable('archived'))) AS out (name)
        ON out.name = parse_filename(listed.file)
),
bad AS (
    SELECT
        r.symbol, r.date, r.file, r.close, r.fetch_timestamp, r.version > s.version AS is_newer,
        s.version, s.close AS served, s.fetch_timestamp AS at
    FROM stored AS r
    LEFT JOIN served AS s ON s.symbol = r.symbol AND s.date = r.date
    WHERE s.symbol IS NULL OR r.version > s.version
        OR (r.version < s.version AND r.fetch_timestamp = s.fetch_timestamp AND (SELECT files FROM missing) = 0)
)
SELECT
    b.symbol, b.date, b.file,
    concat(
        'close ', coalesce(CAST(b.close AS VARCHAR), 'NULL'), ' of ', b.fetch_timestamp,
        CASE WHEN b.version IS NULL THEN ' is not in silver' ELSE ' is in silver as ' END,
        CASE WHEN b.version IS NOT NULL THEN coalesce(CAST(b.served AS VARCHAR), 'NULL') || ' of ' END, b.at
    ) AS detail
FROM bad AS b
-- No ANTI JOIN, which would read all symbols again.
LEFT JOIN stored AS equal ON equal.symbol = b.symbol AND equal.date = b.date AND equal.version = b.version
WHERE b.is_newer OR equal.symbol IS NULL
ORDER BY b.symbol, b.date, b.fetch_timestamp;
