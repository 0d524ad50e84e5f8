/* ---
name: read_ahead
title: "For a lake on S3: read the footers of the bars' base with one listing, and their delta as a whole."
status: active
needs: [silver_bars]
variables: [lake]
reference: a query of one symbol then requests from each file of base its symbols and its other columns, and nothing
  else. Files of silver are never replaced, so that neither their footers nor their sizes are asked for again
changes:
  - 2026-11-27 first version
--- */
SET enable_http_metadata_cache = true;
-- From a pattern DuckDB learns the sizes of the files, for which it would otherwise send a request each.
SELECT count(*)
FROM read_parquet(
    list_concat([schema_file('bars')], CASE WHEN len(silver_files('bars', 'base')) > 0
        THEN [getvariable('lake') || '/silver/bars/*.parquet'] ELSE []::VARCHAR[] END),
    filename = true
)
WHERE list_contains(silver_files('bars', 'base'), filename);
-- Delta is small, and most queries read it: the whole file is one request. DuckDB keeps what it has read.
SET force_download = true;
SELECT count(COLUMNS(*)) FROM read_parquet(list_concat([schema_file('bars')], silver_files('bars', 'delta')));
SET force_download = false;
