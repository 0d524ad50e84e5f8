/* ---
name: lake
title: Set the variables with the files of the lake that the views read, as its manifest names them.
status: active
needs: [manifest]
variables: [lake, manifest, archive, listed_files, listings, lists, generation]
sets: [listed_files, archived, archive_files, silver, used_names, raw_files, unconsolidated_files, fresh_files,
  quarantine_files, symbol_files, live_files, raw_event_files, raw_arrival_files]
reference: manifest.sql chooses the manifest. Run both again to see files that were written since; sql/variables.py
  describes the variables
changes:
  - 2026-11-21 first version
  - 2026-11-21 the manifest, and which batch files are newer than it
  - 2026-11-26 the manifest's format; `restated` is read beside its old name `moved`
  - 2026-11-27 the choice of the manifest is a file of its own
--- */
-- A connection that lists only new batch files does not list those that are in silver.
SET VARIABLE listed_files = (
    SELECT coalesce(list(DISTINCT file ORDER BY file), []::VARCHAR[])
    FROM unnest(list_concat(getvariable('listed_files'), CASE WHEN getvariable('listings') IS NOT NULL THEN
        list_transform(getvariable('manifest').consolidated, lambda f: getvariable('lake') || '/raw-data/' || f)
    END)) AS listed (file)
);
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
SET VARIABLE archive_files = coalesce(
    list_transform(getvariable('archive').base, lambda f: getvariable('lake') || '/' || f.key), []::VARCHAR[]
);
SET VARIABLE archived = coalesce(getvariable('archive').made_from['files'], '');
SET VARIABLE archived = CASE  -- in their stored form, or that of format 1
    WHEN starts_with(getvariable('archived'), '{') THEN batch_names(TRY_CAST(getvariable('archived') AS JSON))
    WHEN getvariable('archived') = '' THEN []::VARCHAR[]
    ELSE string_split(getvariable('archived'), ' ')
END;
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
    WHERE getvariable('generation') IS NULL OR parse_filename(file) IN (
        SELECT unnest(CASE WHEN getvariable('generation') IS NOT NULL THEN getvariable('manifest').consolidated END)
    )
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
    FROM glob(CASE WHEN len(getvariable('unconsolidated_files')) > 0 OR getvariable('lists').quarantine IS NULL
        THEN [getvariable('lake') || '/quarantine/*.parquet']
        ELSE list_transform(getvariable('lists').quarantine, lambda f: getvariable('lake') || '/quarantine/' || f)
    END)
    WHERE regexp_matches(parse_filename(file), '^\d{4}-\d\d-\d\d(-batch-\d+)?(-part-\d+)?\.parquet$')
);
SET VARIABLE symbol_files = (
    SELECT coalesce(list(file ORDER BY file), []::VARCHAR[])
    FROM glob(CASE WHEN getvariable('lists').symbols IS NULL
        THEN [getvariable('lake') || '/symbols/*-symbols.csv']
        ELSE flatten(list_transform(map_entries(getvariable('lists').symbols), lambda y: list_transform(
            string_split(y['value'], ' '),
            lambda d: format('{}/symbols/{}-{}-{}-symbols.csv', getvariable('lake'), y['key'], left(d, 2), right(d, 2))
        )))
    END)
    WHERE regexp_matches(parse_filename(file), '^\d{4}-\d\d-\d\d-symbols\.csv$')
        AND (getvariable('generation') IS NULL OR left(parse_filename(file), 10) <= getvariable('manifest').created_at)
);
-- A pattern, so that each query sees the newest live bars; none of them is part of a generation. A file that is being
-- written has a name which begins with a point.
SET VARIABLE live_files = CASE WHEN getvariable('generation') IS NULL
    THEN [getvariable('lake') || '/live/[0-9]*/bars/[0-9]*.json'] ELSE []::VARCHAR[]
END;
-- Patterns, too, of which each matches a file if there is the marker, and may match none if there is not.
SET VARIABLE raw_event_files = (
    SELECT coalesce(list(getvariable('lake') || '/raw_events/days/*/*.parquet'), []::VARCHAR[])
    FROM glob(CASE
        WHEN getvariable('generation') IS NOT NULL OR NOT getvariable('lists').raw_events THEN []::VARCHAR[]
        WHEN getvariable('lists').raw_events THEN [getvariable('lake') || '/raw_events/marker.json']
        ELSE [getvariable('lake') || '/raw_events/marker.jso[n]']
    END)
);
SET VARIABLE raw_arrival_files = list_transform(
    getvariable('raw_event_files'), lambda f: getvariable('lake') || '/raw_events/arrivals/*/*/*.jsonl.gz'
);
