/* ---
name: lake
title: Find the files of the lake; sets raw_files, symbol_files and session_files.
status: active
needs: the variable lake (folder or s3://bucket/prefix, no slash at the end)
returns: variables; run it again to see files that were written since
changes:
  - 2026-11-21 first version
--- */
SET VARIABLE raw_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM glob(getvariable('lake') || '/raw-data/*.parquet')
    WHERE regexp_matches(parse_filename(file), '^\d{4}-\d\d-\d\d(-batch-\d+)?\.parquet$')
);
SET VARIABLE symbol_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM glob(getvariable('lake') || '/symbols/*-symbols.csv')
    WHERE regexp_matches(parse_filename(file), '^\d{4}-\d\d-\d\d-symbols\.csv$')
);
SET VARIABLE session_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM glob(getvariable('lake') || '/state/sessions.parquet')
);
