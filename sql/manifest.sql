/* ---
name: manifest
title: "Choose the manifest that the views read: the newest, or that of a requested generation."
status: active
needs: []
variables: [lake, sql_home, generation, listings, candidate]
sets: [state_files, session_files, listed_files, pointer_files, pointer, manifest_pattern, manifest_files, manifests,
  candidates, manifest, archive, lists]
reference: pipeline/manifest.py - the pointer is a copy of the newest manifest, and is not believed if it is damaged, or
  if there are signs that it is older
changes:
  - 2026-11-27 split from lake.sql; checksums, and batch files by day; a candidate, which is not published yet
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

-- A manifest's text without its checksum (pipeline/sealing.py), and NULL if it has another one.
CREATE OR REPLACE TEMP MACRO unsealed(text) AS CASE
    WHEN NOT starts_with(text, '{"sha256":"') THEN text
    WHEN sha256('{' || substr(text, 78)) = substr(text, 12, 64) THEN text
END;
-- What a manifest says; NULL if it is damaged. Format 1 has no checksum.
CREATE OR REPLACE TEMP MACRO manifest_in(text) AS list_filter(
    [TRY(from_json(unsealed(text), '{"format": "INTEGER", "generation": "INTEGER", "created_at": "VARCHAR", '
        || '"consolidated": "JSON", "set_aside": "JSON", "tables": "MAP(VARCHAR, STRUCT('
        || 'base STRUCT(key VARCHAR, bytes BIGINT)[], delta STRUCT(key VARCHAR, bytes BIGINT)[], '
        || 'restated VARCHAR[], moved VARCHAR[], through DATE, made_from MAP(VARCHAR, VARCHAR)))"}'))],
    lambda m: m.generation >= 0
        AND (m.generation = 0 OR m.format IS DISTINCT FROM 2 OR starts_with(text, '{"sha256":"'))
)[1];
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
    SELECT {
        file: filename, manifest: manifest_in(TRY(decode(content))), written: last_modified,
        readers: TRY(json_extract(unsealed(TRY(decode(content))), '$.readers'))
    }
    FROM read_blob(list_concat([getvariable('sql_home') || '/schema/manifest.json'], getvariable('pointer_files')))
    ORDER BY filename = getvariable('sql_home') || '/schema/manifest.json'
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
            AND getvariable('pointer').manifest.generation > 0
            AND getvariable('pointer').written - coalesce(
                TRY_CAST(getvariable('pointer').readers ->> '$.written_at' AS TIMESTAMPTZ),
                TRY_CAST(getvariable('pointer').manifest.created_at AS TIMESTAMPTZ)
            ) < INTERVAL 2 SECOND
            AND (
                SELECT unnamed
                -- As text, because planning it takes a tenth of the time to open a lake in a folder.
                FROM query(CASE WHEN starts_with(getvariable('lake'), 's3://') THEN '
                    SELECT count(*) AS unnamed
                    FROM unnest(getvariable(''listed_files'')) AS listed (file)
                    ANTI JOIN unnest(list_concat(
                        batch_names(getvariable(''pointer'').manifest.consolidated),
                        batch_names(getvariable(''pointer'').manifest.set_aside)
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
            AND CAST(parse_filename(file, true) AS INTEGER) > coalesce(getvariable('pointer').manifest.generation, 0)
    ),
    CASE WHEN getvariable('generation') <> getvariable('pointer').manifest.generation
    THEN [getvariable('lake') || format('/state/manifests/{:06d}.json', CAST(getvariable('generation') AS INTEGER))]
    ELSE [] END
);
SET VARIABLE manifests = (
    SELECT list({file: filename, manifest: manifest_in(TRY(decode(content)))})
    FROM read_blob(getvariable('manifest_files'))
);
SET validate_external_file_cache = 'NO_VALIDATION';
-- The first manifest of the list is schema/manifest.json, generation 0: its format is the newest that is read here.
SELECT error(format(
    'the lake was written by a newer Stock Stream (format {}; this one reads {}): upgrade stock-stream',
    newer.format, getvariable('manifests')[1].manifest.format
))
FROM (
    SELECT max(format) AS format
    FROM (
        SELECT getvariable('pointer').manifest.format AS format
        UNION ALL
        SELECT entry.manifest.format FROM (SELECT unnest(getvariable('manifests')) AS entry) AS listed
    ) AS formats
) AS newer
WHERE newer.format > getvariable('manifests')[1].manifest.format;
SELECT error(entry.file || ' is damaged: run `stockstream repair`')
FROM (SELECT unnest(getvariable('manifests')) AS entry) AS listed
WHERE entry.manifest IS NULL
    OR entry.manifest.generation <> coalesce(TRY_CAST(parse_filename(entry.file, true) AS INTEGER), 0);
SELECT error(getvariable('pointer_files')[1] || ' is damaged, and there is no manifest: run `stockstream repair`')
WHERE len(getvariable('pointer_files')) > 0
    AND coalesce(getvariable('pointer').manifest.generation, 0) = 0 AND len(getvariable('manifests')) = 1;
SET VARIABLE candidates = (
    SELECT list(manifest ORDER BY manifest.generation DESC)
    FROM (
        SELECT getvariable('pointer').manifest AS manifest
        UNION ALL
        SELECT entry.manifest FROM (SELECT unnest(getvariable('manifests')) AS entry) AS listed
    ) AS manifests
    WHERE manifest.generation IS NOT NULL
);
SET VARIABLE manifest = (
    SELECT struct_update(
        chosen, consolidated := batch_names(chosen.consolidated), set_aside := batch_names(chosen.set_aside)
    )
    FROM (
        SELECT coalesce(
            list_filter(getvariable('candidates'), lambda m: m.generation = getvariable('generation'))[1],
            getvariable('candidates')[1]
        ) AS chosen
    ) AS choice
);
-- The archive only grows, so that every generation can read the newest one's.
SET VARIABLE archive = getvariable('candidates')[1].tables['raw'];
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
SET VARIABLE candidates = NULL;
-- What the pointer lists, in place of listing folders on S3: only for a connection that says so, and only if the views
-- read the generation of the pointer.
SET VARIABLE lists = CAST(
    CASE WHEN getvariable('listings') IS NOT NULL
        AND getvariable('manifest').generation = getvariable('pointer').manifest.generation
    THEN TRY(from_json(
        getvariable('pointer').readers,
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
