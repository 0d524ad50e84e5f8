/* ---
name: bars__silver_against_raw
title: A row of a consolidated batch file that silver does not have, or has only in an older or worse version.
status: active
severity: fail
blocking: true
grain: one row per symbol, date and fetch
needs: [read_raw, silver_bars, read_merged]
variables: [manifest]
returns: symbol, date, file, detail
reference: it repeats the order of read_merged on purpose, because a check that shares the code it checks cannot find
  its faults (tests/sql/test_checks.py compares the two). Rows that only deleted files contained are not checked
fix: "`stockstream consolidate --full` reads all batch files again"
changes:
  - 2026-11-21 first version
--- */
SELECT
    r.symbol, r.date, r.file,
    concat(
        'close ', coalesce(CAST(r.close AS VARCHAR), 'NULL'), ' of ', r.fetch_timestamp,
        CASE WHEN s.symbol IS NULL THEN ' is not in silver' ELSE ' is in silver as ' END,
        CASE WHEN s.symbol IS NOT NULL THEN coalesce(CAST(s.close AS VARCHAR), 'NULL') || ' of ' END, s.fetch_timestamp
    ) AS detail
FROM read_raw(raw_files()) AS r
SEMI JOIN (SELECT unnest(getvariable('manifest').consolidated) AS name) AS c ON c.name = parse_filename(r.file)
LEFT JOIN silver_bars AS s ON s.symbol = r.symbol AND s.date = r.date
WHERE s.symbol IS NULL
    OR ROW(
        r.close IS NOT NULL, r.fetch_timestamp, r.close, coalesce(r.volume, '-inf'::DOUBLE),
        coalesce(r.price_basis, '-infinity'), coalesce(r.open, '-inf'), coalesce(r.high, '-inf'),
        coalesce(r.low, '-inf'), coalesce(r.adjusted_close, '-inf'), coalesce(r.dividend, '-inf'),
        coalesce(r.split_ratio, '-inf'), coalesce(r.source, '')
    ) > ROW(
        s.close IS NOT NULL, coalesce(s.fetch_timestamp, ''), s.close, coalesce(s.volume, '-inf'::DOUBLE),
        coalesce(s.price_basis, '-infinity'), coalesce(s.open, '-inf'), coalesce(s.high, '-inf'),
        coalesce(s.low, '-inf'), coalesce(s.adjusted_close, '-inf'), coalesce(s.dividend, '-inf'),
        coalesce(s.split_ratio, '-inf'), coalesce(s.source, '')
    )
ORDER BY r.symbol, r.date, r.fetch_timestamp;
