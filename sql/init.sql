-- The shell's way in, from the root of the repository:
--     STOCKSTREAM_LAKE=./lake duckdb -init sql/init.sql
--     STOCKSTREAM_LAKE=s3://bucket/prefix duckdb -init sql/init.sql
-- `stockstream shell` does the same from anywhere. Python reads this file too, for which files to run in which order.

SET VARIABLE lake = rtrim(coalesce(nullif(getenv('STOCKSTREAM_LAKE'), ''), './lake'), '/');
SET VARIABLE s3_endpoint = coalesce(nullif(getenv('AWS_ENDPOINT_URL_S3'), ''), getenv('AWS_ENDPOINT_URL'));
SET VARIABLE s3_region = coalesce(nullif(getenv('AWS_REGION'), ''), nullif(getenv('AWS_DEFAULT_REGION'), ''), 'ap-southeast-2');
SET VARIABLE sql_home = 'sql';

-- The shell has no IF: a lake on S3 needs a secret, a folder must do without extensions.
.mode list
.headers off
SELECT error(getvariable('lake') || ' cannot be a lake: * ? [ in its name are patterns to DuckDB')
WHERE regexp_matches(getvariable('lake'), '[*?\[]');
.output sql/.secret.sql
SELECT CASE WHEN starts_with(getvariable('lake'), 's3://') THEN '.read sql/secret.sql' ELSE '' END;
.output
.mode trash
.read sql/.secret.sql
.mode list

-- Views are bound when they are made: without files yet, so that making them opens none.
SET VARIABLE raw_files = []::VARCHAR[];
SET VARIABLE fresh_files = []::VARCHAR[];
SET VARIABLE silver = MAP {}::MAP(VARCHAR, STRUCT(base VARCHAR[], delta VARCHAR[], restated VARCHAR[]));
SET VARIABLE symbol_files = []::VARCHAR[];
SET VARIABLE session_files = []::VARCHAR[];
.read sql/views/read_raw.sql
.read sql/views/raw_bars.sql
.read sql/views/silver_bars.sql
.read sql/views/read_merged.sql
.read sql/views/latest_bars.sql
.read sql/views/bars.sql
.read sql/views/bars_since.sql
.read sql/views/unsettled.sql
.read sql/views/actions.sql
.read sql/views/split_factors.sql
.read sql/views/bars_adjusted.sql
.read sql/views/bars_as_traded.sql
.read sql/views/bars_split_adjusted.sql
.read sql/views/forward_factors.sql
.read sql/views/read_symbols.sql
.read sql/views/symbols.sql
.read sql/views/symbol_changes.sql
.read sql/views/metadata.sql
.read sql/views/symbols_on.sql
.read sql/views/sessions.sql
.read sql/views/session_buckets.sql
.read sql/views/resample.sql
.read sql/views/bars_resampled.sql
.read sql/views/indicators.sql
.read sql/views/signals.sql
.read sql/views/watermarks.sql
.read sql/views/gaps.sql
.read sql/views/lake_status.sql
.read sql/views/lake_help.sql
.read sql/indicators/init.sql
.read sql/lake.sql
.read sql/readable.sql

SELECT CASE
    WHEN len(raw_files()) > 0
    THEN getvariable('lake') || ': ' || len(raw_files()) || ' batch files, the newest of '
        || left(parse_filename(raw_files()[-1]), 10) || '. FROM lake_help() lists what there is.'
    WHEN getvariable('manifest').generation > 0
    THEN getvariable('lake') || ': generation ' || getvariable('manifest').generation
        || ', its batch files archived. FROM lake_help() lists what there is.'
    ELSE getvariable('lake') || ' holds no bars: is STOCKSTREAM_LAKE right? `stockstream run` fills a lake.'
    END;
.headers on
.mode duckbox
.prompt 'stockstream> '
