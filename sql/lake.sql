/* ---
name: lake
title: Find the files of the lake; sets listed_files, raw_files (those that are read), symbol_files and session_files.
status: active
needs: the variable lake (folder or s3://bucket/prefix, no slash at the end)
returns: variables; run it again to see files that were written since
changes:
  - 2026-11-21 first version
--- */
SET parquet_metadata_cache = true;  -- batch files are never replaced
SET VARIABLE listed_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM glob(getvariable('lake') || '/raw-data/*.parquet')
    WHERE regexp_matches(parse_filename(file), '^\d{4}-\d\d-\d\d(-batch-\d+)?(-part-\d+)?\.parquet$')
);
SET VARIABLE raw_files = getvariable('listed_files');
SET VARIABLE symbol_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM glob(getvariable('lake') || '/symbols/*-symbols.csv')
    WHERE regexp_matches(parse_filename(file), '^\d{4}-\d\d-\d\d-symbols\.csv$')
);
SET VARIABLE session_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    -- A star, since a name without one is taken to be there on S3, without looking.
    FROM glob(getvariable('lake') || '/state/sessions*.parquet')
    WHERE parse_filename(file) = 'sessions.parquet'
);
