/* ---
name: manifest
title: "Choose the manifest that the views read: the newest, or that of a requested generation."
status: active
needs: []
variables: [lake, sql_home, generation, listings, candidate]
sets: [state_files, session_files, listed_files, pointer_files, pointer, manifest_pattern, manifest_files, manifests,
  chosen, consolidated_names, set_aside_names, manifest, archive, lists]
reference: pipeline/manifest.py - the pointer is a copy of the newest manifest, and is not believed if it is damaged, or
  if there are signs that it is older
changes:
  - 2026-11-27 split from lake.sql; checksums, and batch files by day; a candidate, which is not published yet
  - 2026-11-28 nested values are read in fewer places
--- */
SET parquet_metadata_cache = true;  -- Parquet files are never replaced
SET VARIABLE state_files = (
    -- A pattern, because DuckDB does not look whether a file on S3 exists if its name has no wildcard.
    SELECT coalesce(list(file), []::VARCHAR[])
    FROM glob(coalesce(getvariable('listings')['state'], [getvariable('lake') || '/state/*']))
);
SET VARIABLE session_files = list_filter(
    getvariable('state_files'), lambda f: parse_filename(f) = 'sessions.parquet'
);

SET VARIABLE listed_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM glob(coalesce(getvariable('listings')['raw-data'], [getvariable('lake') || '/raw-data/*.parquet']))
    WHERE regexp_matches(parse_filename(file), '^\d{4}-\d\d-\d\d(-batch-\d+)?(-part-\d+)?\.parquet$')
);

-- What manifests say, a row per file. `text` has no checksum (pipeline/sealing.py); it is NULL if a file is damaged:
-- another checksum, none in format 2, or not what a manifest is (format 1 has no checksum). Values that are read often
-- are columns of their own: each reading of a nested value takes DuckDB half a millisecond.
CREATE OR REPLACE TEMP MACRO parsed_manifest(text) AS from_json(text,
    '{"format": "INTEGER", "generation": "INTEGER", "created_at": "VARCHAR", "consolidated": "JSON", '
        || '"set_aside": "JSON", "tables": "MAP(VARCHAR, STRUCT('
        || 'base STRUCT(key VARCHAR, bytes BIGINT)[], delta STRUCT(key VARCHAR, bytes BIGINT)[], '
        || 'restated VARCHAR[], moved VARCHAR[], through DATE, made_from MAP(VARCHAR, VARCHAR)))"}'
);
CREATE OR REPLACE TEMP MACRO manifests_in(files) AS TABLE
WITH read AS (
    SELECT filename AS file, last_modified AS written, TRY(decode(content)) AS content
    FROM read_blob(files)
),
unsealed AS (
    SELECT
        file, written, starts_with(content, '{"sha256":"') AS is_sealed,
        CASE WHEN starts_with(content, '{"sha256":"') THEN '{' || substr(content, 78) ELSE content END AS text,
        substr(content, 12, 64) AS seal
    FROM read
),
parsed AS (
    SELECT *, TRY(parsed_manifest(CASE WHEN NOT is_sealed OR sha256(text) = seal THEN text END)) AS manifest
    FROM unsealed
),
judged AS (
    SELECT *, manifest.generation >= 0
        AND (manifest.generation = 0 OR manifest.format IS DISTINCT FROM 2 OR is_sealed) AS is_sound
    FROM parsed
)
SELECT
    file, written,
    CASE WHEN is_sound THEN text END AS text,
    CASE WHEN is_sound THEN manifest.generation END AS generation,
    CASE WHEN is_sound THEN manifest.format END AS format,
    CASE WHEN is_sound THEN manifest.created_at END AS created_at
FROM judged;
-- The names of batch files in their stored form (pipeline/batch_names.py), or as the list of format 1.
CREATE OR REPLACE TEMP MACRO batch_names(stored) AS CASE
    WHEN json_type(stored) = 'OBJECT' THEN list_concat(
        from_json(json_extract(stored, '$.files'), '["VARCHAR"]'),
        flatten(list_transform(
            map_entries(from_json(json_extract(stored, '$.days'), '"MAP(VARCHAR, INTEGER)"')),
            lambda d: list_transform(
                generate_series(0, d['value'] - 1), lambda n: d['key'] || '-batch-' || n || '.parquet'
            )
        ))
    )
    ELSE coalesce(from_json(stored, '["VARCHAR"]'), [])
END;

-- The pointer, which is the one file that is replaced. A writer reads the manifest that it is about to publish.
SET enable_http_metadata_cache = false;
SET validate_external_file_cache = 'VALIDATE_ALL';
SET VARIABLE pointer_files = coalesce(
    CASE WHEN getvariable('candidate') IS NOT NULL THEN [getvariable('candidate')] END,
    getvariable('listings')['pointer'],
    list_filter(getvariable('state_files'), lambda f: parse_filename(f) = 'current.json')
);
SET VARIABLE pointer = (
    SELECT manifest
    FROM manifests_in(list_concat([getvariable('sql_home') || '/schema/manifest.json'], getvariable('pointer_files')))
        AS manifest
    ORDER BY file = getvariable('sql_home') || '/schema/manifest.json'
    LIMIT 1
);
SET VARIABLE pointer_files = list_filter(
    [getvariable('pointer').file], lambda f: f <> getvariable('sql_home') || '/schema/manifest.json'
);
-- It may be an older copy, or damaged. On a folder, looking for a newer manifest costs nothing. On S3 it is a request,
-- which is saved if the pointer was written together with its manifest, and names every batch file.
SET VARIABLE manifest_pattern = (
    SELECT CASE
        WHEN getvariable('candidate') IS NOT NULL THEN getvariable('sql_home') || '/schema/manifest.json'
        WHEN starts_with(getvariable('lake'), 's3://')
            AND getvariable('pointer').generation > 0
            AND getvariable('pointer').written - coalesce(
                TRY_CAST(getvariable('pointer').text ->> '$.readers.written_at' AS TIMESTAMPTZ),
                TRY_CAST(getvariable('pointer').created_at AS TIMESTAMPTZ)
            ) < INTERVAL 2 SECOND
            AND (
                SELECT unnamed
                -- As text, because planning it takes a tenth of the time to open a lake in a folder.
                FROM query(CASE WHEN starts_with(getvariable('lake'), 's3://') THEN '
                    SELECT count(*) AS unnamed
                    FROM unnest(getvariable(''listed_files'')) AS listed (file)
                    ANTI JOIN unnest(list_concat(
                        batch_names(getvariable(''pointer'').text -> ''$.consolidated''),
                        batch_names(getvariable(''pointer'').text -> ''$.set_aside'')
                    )) AS named (name) ON named.name = parse_filename(file)
                ' ELSE 'SELECT 0 AS unnamed' END)
            ) = 0
        THEN getvariable('sql_home') || '/schema/manifest.json'
        ELSE getvariable('lake') || '/state/manifests/*.json'
    END
);
SET VARIABLE manifest_files = list_concat(
    [getvariable('sql_home') || '/schema/manifest.json'],
    (
        SELECT coalesce(max_by([file], CAST(parse_filename(file, true) AS INTEGER)), []::VARCHAR[])
        FROM glob(getvariable('manifest_pattern'))
        WHERE regexp_matches(parse_filename(file), '^\d{6,}\.json$')
            AND CAST(parse_filename(file, true) AS INTEGER) > coalesce(getvariable('pointer').generation, 0)
    ),
    CASE WHEN getvariable('generation') <> getvariable('pointer').generation
    THEN [getvariable('lake') || format('/state/manifests/{:06d}.json', CAST(getvariable('generation') AS INTEGER))]
    ELSE [] END
);
SET VARIABLE manifests = (SELECT list(manifest) FROM manifests_in(getvariable('manifest_files')) AS manifest);
SET validate_external_file_cache = 'NO_VALIDATION';
-- The first manifest of the list is schema/manifest.json, generation 0: its format is the newest that is read here.
SELECT error(CASE
    WHEN manifest.format > getvariable('manifests')[1].format THEN format(
        'the lake was written by a newer Stock Stream (format {}; this one reads {}): upgrade stock-stream',
        manifest.format, getvariable('manifests')[1].format
    )
    WHEN manifest.file <> getvariable('pointer').file
        AND manifest.generation IS DISTINCT FROM coalesce(TRY_CAST(parse_filename(manifest.file, true) AS INTEGER), 0)
    THEN manifest.file || ' is damaged: run `stockstream repair`'
    WHEN len(getvariable('pointer_files')) > 0
        AND coalesce(getvariable('pointer').generation, 0) = 0 AND len(getvariable('manifests')) = 1
    THEN getvariable('pointer_files')[1] || ' is damaged, and there is no manifest: run `stockstream repair`'
END)
FROM (SELECT unnest(list_append(getvariable('manifests'), getvariable('pointer'))) AS manifest) AS entries;
-- The newest one, and that of the requested generation.
SET VARIABLE chosen = (
    SELECT {newest: max_by(text, generation), text: coalesce(
        max_by(text, generation) FILTER (generation = getvariable('generation')), max_by(text, generation)
    )}
    FROM (SELECT unnest(list_append(getvariable('manifests'), getvariable('pointer')), recursive := true)) AS candidates
);
SET VARIABLE manifest = parsed_manifest(getvariable('chosen').text);
SET VARIABLE consolidated_names = getvariable('manifest').consolidated;
SET VARIABLE set_aside_names = getvariable('manifest').set_aside;
SET VARIABLE manifest = struct_update(
    getvariable('manifest'),
    consolidated := batch_names(getvariable('consolidated_names')),
    set_aside := batch_names(getvariable('set_aside_names'))
);
-- The archive only grows, so that every generation can read the newest one's.
SET VARIABLE archive = (
    CASE WHEN getvariable('chosen').newest = getvariable('chosen').text THEN getvariable('manifest')
    ELSE parsed_manifest(getvariable('chosen').newest) END
).tables['raw'];
SELECT error(format('{} names {}, which is no file of silver: run `stockstream repair`', getvariable('lake'), key))
FROM (
    SELECT unnest(flatten(list_transform(
        map_values(getvariable('manifest').tables), lambda t: list_transform(
            list_concat(coalesce(t.base, []), coalesce(t.delta, [])), lambda f: f.key
        )
    ))) AS key
) AS keys
WHERE NOT regexp_matches(key, '^silver/([^/\\]+/)*[^/\\]+\.parquet$') OR contains(key, '/../');
SET VARIABLE manifests = NULL;
SET VARIABLE chosen = NULL;
-- What the pointer lists, in place of listing folders on S3: only for a connection that says so, and only if the views
-- read the generation of the pointer.
SET VARIABLE lists = CAST(
    CASE WHEN getvariable('listings') IS NOT NULL
        AND getvariable('manifest').generation = getvariable('pointer').generation
    THEN TRY(from_json(
        getvariable('pointer').text -> '$.readers',
        '{"sessions": "BOOLEAN", "symbols": "MAP(VARCHAR, VARCHAR)", "quarantine": ["VARCHAR"], '
            || '"raw_events": "BOOLEAN"}'
    )) END AS STRUCT(sessions BOOLEAN, symbols MAP(VARCHAR, VARCHAR), quarantine VARCHAR[], raw_events BOOLEAN)
);
SET VARIABLE session_files = (
    SELECT coalesce(list(file), []::VARCHAR[])
    FROM glob(CASE
        WHEN getvariable('listings') IS NULL THEN getvariable('session_files')
        WHEN getvariable('lists').sessions IS NULL THEN [getvariable('lake') || '/state/sessions.parque[t]']
        WHEN getvariable('lists').sessions THEN [getvariable('lake') || '/state/sessions.parquet']
        ELSE []::VARCHAR[]
    END)
);
SET VARIABLE state_files = list_distinct(list_concat(
    getvariable('state_files'), getvariable('pointer_files'), getvariable('session_files')
));
