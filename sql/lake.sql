/* ---
name: lake
title: List the files of the lake, and set the variables that the views read.
status: active
needs: []
variables: [lake, sql_home, generation, candidate]
sets: [state_files, session_files, manifest_files, manifests, manifest, archive, archived, archive_files, silver,
  listed_files, used_names, raw_files, unconsolidated_files, fresh_files, quarantine_files, symbol_files]
reference: run it again to see files that were written since; sql/variables.py describes the variables
changes:
  - 2026-11-21 first version
  - 2026-11-21 the manifest, and which batch files are newer than it
  - 2026-11-26 the manifest's format; `restated` is read beside its old name `moved`
  - 2026-11-27 a candidate, which is not published yet
--- */
SET parquet_metadata_cache = true;  -- Parquet files are never replaced
SET VARIABLE state_files = (
    -- A pattern, because DuckDB does not look whether a file on S3 exists if its name has no wildcard.
    SELECT coalesce(list(file), []::VARCHAR[]) FROM glob(getvariable('lake') || '/state/*')
);
SET VARIABLE session_files = list_filter(
    getvariable('state_files'), lambda f: parse_filename(f) = 'sessions.parquet'
);

-- Read the manifest before listing the batch files: a file that is consolidated in between is then read twice, which
-- does no harm, instead of not at all.
SET VARIABLE manifest_files = list_concat(
    -- A writer reads the manifest that it is about to publish.
    CASE WHEN getvariable('candidate') IS NOT NULL THEN [getvariable('candidate')]
    ELSE list_filter(getvariable('state_files'), lambda f: parse_filename(f) = 'current.json') END,
    CASE WHEN getvariable('generation') IS NOT NULL
    THEN [getvariable('lake') || format('/state/manifests/{:06d}.json', CAST(getvariable('generation') AS INTEGER))]
    END
);
SET enable_http_metadata_cache = false;
SET validate_external_file_cache = 'VALIDATE_ALL';  -- current.json is the one file that is replaced
SET VARIABLE manifests = (
    SELECT list({
        format: coalesce(format, 1), generation: generation, created_at: created_at, tables: tables,
        consolidated: consolidated, set_aside: set_aside
    } ORDER BY generation DESC)
    FROM read_json(
        list_concat([getvariable('sql_home') || '/schema/manifest.json'], getvariable('manifest_files')),
        maximum_object_size = 268435456,
        columns = {
            format: 'INTEGER', generation: 'INTEGER', created_at: 'VARCHAR',
            consolidated: 'VARCHAR[]', set_aside: 'VARCHAR[]',
            tables: 'MAP(VARCHAR, STRUCT(
                base STRUCT(key VARCHAR)[], delta STRUCT(key VARCHAR)[],
                restated VARCHAR[], moved VARCHAR[], through DATE, made_from MAP(VARCHAR, VARCHAR)
            ))'
        }
    )
);
SET validate_external_file_cache = 'NO_VALIDATION';
-- The last manifest of the list is schema/manifest.json, generation 0: its format is the newest that lake.sql can read.
SELECT error(format(
    'the lake was written by a newer Stock Stream (format {}; this one reads {}): upgrade stock-stream',
    newer.format, getvariable('manifests')[-1].format
))
FROM (
    SELECT max(manifest.format) AS format FROM (SELECT unnest(getvariable('manifests')) AS manifest) AS listed
) AS newer
WHERE newer.format > getvariable('manifests')[-1].format;
-- The requested generation, otherwise the newest.
SET VARIABLE manifest = coalesce(
    list_filter(getvariable('manifests'), lambda m: m.generation = getvariable('generation'))[1],
    getvariable('manifests')[1]
);
-- The archive only grows, so that every generation can read the newest one's.
SET VARIABLE archive = getvariable('manifests')[1].tables['raw'];
SET VARIABLE manifests = NULL;
-- Per table: the URIs of its files, and the symbols whose rows in base are no longer valid (`moved` is the old key).
SET VARIABLE silver = map_from_entries(list_transform(
    map_entries(getvariable('manifest').tables),
    lambda t: {
        k: t.key,
        v: {
            base: list_transform(coalesce(t.value.base, []), lambda f: getvariable('lake') || '/' || f.key),
            delta: list_transform(coalesce(t.value.delta, []), lambda f: getvariable('lake') || '/' || f.key),
            restated: coalesce(t.value.restated, t.value.moved, []::VARCHAR[])
        }
    }
));
SET VARIABLE listed_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM glob(getvariable('lake') || '/raw-data/*.parquet')
    WHERE regexp_matches(parse_filename(file), '^\d{4}-\d\d-\d\d(-batch-\d+)?(-part-\d+)?\.parquet$')
);
SET VARIABLE archive_files = coalesce(
    list_transform(getvariable('archive').base, lambda f: getvariable('lake') || '/' || f.key), []::VARCHAR[]
);
SET VARIABLE archived = coalesce(string_split(getvariable('archive').made_from['files'], ' '), []::VARCHAR[]);
-- The names that must not be used again, although some of these files no longer exist.
SET VARIABLE used_names = list_concat(
    getvariable('manifest').consolidated, getvariable('manifest').set_aside, getvariable('archived')
);
-- A requested generation is read as it was published: with the batch files that it contains, and nothing newer.
SET VARIABLE raw_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM unnest(getvariable('listed_files')) AS listed (file)
    ANTI JOIN unnest(list_concat(getvariable('manifest').set_aside, getvariable('archived'))) AS out (name)
        ON out.name = parse_filename(file)
    WHERE getvariable('generation') IS NULL
        OR parse_filename(file) IN (SELECT unnest(getvariable('manifest').consolidated))
);
-- The batch files that the views merge with silver.
SET VARIABLE unconsolidated_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM unnest(CASE WHEN getvariable('generation') IS NULL THEN getvariable('listed_files') END) AS listed (file)
    ANTI JOIN unnest(getvariable('used_names')) AS done (name) ON done.name = parse_filename(file)
);
SET VARIABLE fresh_files = getvariable('unconsolidated_files');
-- The view quarantine leaves out values that are newer than a requested generation.
SET VARIABLE quarantine_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM glob(getvariable('lake') || '/quarantine/*.parquet')
    WHERE regexp_matches(parse_filename(file), '^\d{4}-\d\d-\d\d(-batch-\d+)?(-part-\d+)?\.parquet$')
);
SET VARIABLE symbol_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM glob(getvariable('lake') || '/symbols/*-symbols.csv')
    WHERE regexp_matches(parse_filename(file), '^\d{4}-\d\d-\d\d-symbols\.csv$')
        AND (getvariable('generation') IS NULL OR left(parse_filename(file), 10) <= getvariable('manifest').created_at)
);
