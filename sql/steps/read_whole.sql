/* ---
name: read_whole
title: A checksum of the new batch files, to read every page of them, and the files with a date that cannot be.
status: active
grain: one row
params: {}
needs: [read_stored]
variables: [fresh_files]
returns: checksum, impossible
reference: a file with a good footer may have a damaged page, which DuckDB reports when it decodes it, often without the
  file's name. count() would decode nothing, as the footer has the number of values
changes:
  - 2026-11-27 first version
--- */
SELECT
    bit_xor(hash(
        symbol, date, open, high, low, close, volume, adjusted_close, fetch_timestamp, dividend, split_ratio, source,
        price_basis
    )) AS checksum,
    list(DISTINCT file) FILTER (WHERE NOT is_possible_day(date)) AS impossible
FROM read_stored(getvariable('fresh_files'))
