/* ---
name: sessions
title: "The exchange's trading calendar: one row per past or future session."
status: active
grain: one row per session
needs: []
variables: [session_files, sql_home]
returns: the columns of schema/session.sql
example: SELECT count(*) FROM sessions WHERE date BETWEEN '2026-01-01' AND current_date
changes:
  - 2026-11-21 first version
--- */
-- A day that is the argument of a macro.
CREATE OR REPLACE MACRO as_day(day) AS CASE
    WHEN TRY_CAST(CAST(day AS VARCHAR) AS DATE) IS NULL THEN error(
        'the day is ' || coalesce(CAST(day AS VARCHAR), 'NULL') || ': a DATE or a text as ''2026-11-20'' is needed'
    )
    ELSE TRY_CAST(CAST(day AS VARCHAR) AS DATE)
END;

CREATE OR REPLACE VIEW sessions AS
SELECT date, open_utc, close_utc
FROM read_parquet(
    list_concat([getvariable('sql_home') || '/schema/session.parquet'], getvariable('session_files')),
    union_by_name = true
);
