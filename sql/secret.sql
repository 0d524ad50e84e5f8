/* ---
name: secret
title: Let DuckDB read an S3 lake with the usual AWS credentials; never stored, and only for this lake.
status: active
needs: the variables lake, s3_endpoint (a URL, or empty for AWS) and s3_region
reference: https://duckdb.org/docs/stable/core_extensions/aws
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE SECRET lake (
    TYPE s3,
    PROVIDER credential_chain,
    CHAIN 'env;config;sso;process;instance',
    REFRESH auto,
    SCOPE getvariable('lake'),
    REGION getvariable('s3_region'),
    ENDPOINT CASE getvariable('s3_endpoint') WHEN '' THEN 's3.amazonaws.com'
             ELSE regexp_replace(getvariable('s3_endpoint'), '^https?://|/+$', '', 'g') END,
    USE_SSL NOT starts_with(getvariable('s3_endpoint'), 'http://'),
    URL_STYLE CASE getvariable('s3_endpoint') WHEN '' THEN 'vhost' ELSE 'path' END
);

-- Batch files are never replaced: what has been read of one stays good, with no request to ask whether it has changed.
SET validate_external_file_cache = 'NO_VALIDATION';
