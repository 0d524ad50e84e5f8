/* ---
name: sessions
title: "The exchange's trading calendar: one row per past or future session."
status: active
grain: one row per session
needs: []
variables: [session_files, sql_home]
returns: date, open_utc, close_utc
example: SELECT count(*) FROM sessions WHERE date BETWEEN '2026-01-01' AND current_date
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW sessions AS
SELECT date, open_utc, close_utc
FROM read_parquet(
    list_concat([getvariable('sql_home') || '/schema/session.parquet'], getvariable('session_files')),
    union_by_name = true
);
