/* ---
name: secret
title: Let DuckDB use the bucket of a lake on S3 with the usual AWS credentials, which are not stored.
status: active
needs: []
variables: [lake, s3_endpoint, s3_region]
reference: https://duckdb.org/docs/stable/core_extensions/aws. The scope is the bucket, so that results can be written
  beside the lake; another bucket may be in another region. A secret of the user's with a longer scope takes precedence
changes:
  - 2026-11-21 first version
  - 2026-11-28 the bucket instead of the lake
--- */
CREATE OR REPLACE SECRET lake (
    TYPE s3,
    PROVIDER credential_chain,
    CHAIN 'env;config;sso;process;instance',
    REFRESH auto,
    SCOPE CASE split_part(getvariable('lake'), '/', 3) WHEN '' THEN 's3://'  -- files that a user names, and no lake
          ELSE 's3://' || split_part(getvariable('lake'), '/', 3) || '/' END,
    REGION getvariable('s3_region'),
    ENDPOINT CASE getvariable('s3_endpoint') WHEN '' THEN 's3.amazonaws.com'
             ELSE regexp_replace(getvariable('s3_endpoint'), '^https?://|/+$', '', 'g') END,
    USE_SSL NOT starts_with(getvariable('s3_endpoint'), 'http://'),
    URL_STYLE CASE getvariable('s3_endpoint') WHEN '' THEN 'vhost' ELSE 'path' END
);

-- Batch files are never replaced, so that DuckDB need not ask S3 whether a cached file has changed.
SET validate_external_file_cache = 'NO_VALIDATION';
