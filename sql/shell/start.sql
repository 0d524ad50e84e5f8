/* ---
name: start
title: The first part of init.sql decides which lake to open, and where the shell keeps its zero-row files.
status: active
needs: []
variables: [lake, sql_home, generation]
sets: [lake, s3_endpoint, s3_region, listings, sql_home]
reference: a script cannot find out its own path, so that init.sql contains all SQL files, and writes those that must be
  files (schema/*, secret.sql) into a cache folder of the user; in a shared /tmp, others could replace them
changes:
  - 2026-11-26 first version; it was part of init.sql
--- */
SET VARIABLE lake = rtrim(
    coalesce(getvariable('lake'), nullif(getenv('STOCKSTREAM_LAKE'), ''), './lake'), '/'
);
SELECT error(getvariable('lake') || ' cannot be a lake: * ? [ in its name are patterns to DuckDB')
WHERE regexp_matches(getvariable('lake'), '[*?\[]');
SET VARIABLE s3_endpoint = coalesce(nullif(getenv('AWS_ENDPOINT_URL_S3'), ''), getenv('AWS_ENDPOINT_URL'));
SET VARIABLE s3_region = coalesce(
    nullif(getenv('AWS_REGION'), ''), nullif(getenv('AWS_DEFAULT_REGION'), ''), 'ap-southeast-2'
);
-- On S3 the pointer takes the place of listing state/: as a pattern, for which no pointer is no error.
SET VARIABLE listings = CASE WHEN starts_with(getvariable('lake'), 's3://') AND getvariable('generation') IS NULL
    THEN MAP {'state': []::VARCHAR[], 'pointer': [getvariable('lake') || '/state/current.jso[n]']}
END;
SET VARIABLE sql_home = coalesce(
    getvariable('sql_home'),
    nullif(getenv('XDG_CACHE_HOME'), '') || '/stockstream',
    nullif(getenv('HOME'), '') || '/.stockstream',
    nullif(getenv('USERPROFILE'), '') || '/.stockstream',
    error('set HOME or XDG_CACHE_HOME to a folder that can be written: the shell keeps a few small files there')
);
