/* ---
name: readable
title: Leave out and list the new batch files that are not Parquet, in a folder; on S3 all files count as readable.
status: active
needs: []
variables: [lake, sql_home, fresh_files, raw_files]
sets: [unreadable_files, fresh_files, raw_files]
reference: a Parquet file ends with the bytes PAR1. The plain shell needs this, because it stops at the first file that
  it cannot open
changes:
  - 2026-11-21 first version
--- */
SET VARIABLE unreadable_files = (
    SELECT coalesce(list(filename ORDER BY filename), []::VARCHAR[])
    FROM read_blob(
        CASE WHEN starts_with(getvariable('lake'), 's3://') OR len(getvariable('fresh_files')) = 0
        THEN [getvariable('sql_home') || '/schema/raw.parquet'] ELSE getvariable('fresh_files') END
    )
    WHERE array_slice(content, -4, -1) IS DISTINCT FROM 'PAR1'::BLOB
);
SET VARIABLE fresh_files = list_filter(
    getvariable('fresh_files'), lambda f: NOT list_contains(getvariable('unreadable_files'), f)
);
SET VARIABLE raw_files = list_filter(
    getvariable('raw_files'), lambda f: NOT list_contains(getvariable('unreadable_files'), f)
);
SELECT 'left out, not Parquet: ' || unnest(getvariable('unreadable_files'));
