/* ---
name: code_histories
title: The histories of each code that one company after the other has had. Codes of one company are not listed.
status: active
grain: one row per symbol and history
needs: [metadata, silver_bars, read_raw, read_merged]
returns: symbol, history_from (first day of the history, inclusive), history_until (the day after its last, exclusive)
reference: a history ends when its company is delisted or leaves the code or the lists, as `metadata` reports it, unless
  the next company has the same FIGI or, if one has no FIGI, was away from the lists under the same name. Before the
  first list of the code, two calendar years without a bar end it
example: FROM code_histories WHERE symbol = 'BHP'
changes:
  - 2026-11-27 first version
  - 2026-11-27 metadata is planned once
--- */
CREATE OR REPLACE VIEW code_histories AS
WITH listed AS MATERIALIZED (  -- once: to plan a read of a table takes a millisecond
    SELECT symbol, name, figi, valid_from, valid_to, delisting_date, renamed_to FROM metadata
),
periods AS (
    SELECT
        symbol, name, figi, valid_from,
        lag(name) OVER by_time AS previous_name,
        lag(figi) OVER by_time AS previous_figi,
        lag(valid_to) OVER by_time AS previous_until,
        lag(delisting_date + 1) OVER by_time AS delisted,
        lag(renamed_to) OVER by_time AS renamed_to
    FROM listed
    WINDOW by_time AS (PARTITION BY symbol ORDER BY coalesce(valid_from, DATE '0001-01-01'))
),
years AS (
    SELECT symbol, year, lag(year) OVER (PARTITION BY symbol ORDER BY year) AS previous_year
    FROM (
        SELECT symbol, year(date) AS year
        FROM query('SELECT symbol, date FROM silver_bars' || CASE WHEN len(fresh_files()) > 0
            THEN ' UNION ALL SELECT symbol, date FROM read_raw(fresh_files())' ELSE '' END)
        GROUP BY symbol, year(date)
    ) AS traded
),
starts AS (
    SELECT symbol, CAST(coalesce(delisted, previous_until) AS DATE) AS since
    FROM periods
    WHERE (delisted IS NOT NULL OR renamed_to IS NOT NULL OR previous_until < valid_from)
        AND coalesce(delisted, previous_until) IS NOT NULL
        AND coalesce(figi <> previous_figi, delisted IS NOT NULL OR renamed_to IS NOT NULL OR name <> previous_name)
    UNION ALL
    SELECT y.symbol, make_date(y.year, 1, 1) AS since
    FROM years AS y
    ANTI JOIN listed AS m
        ON m.symbol = y.symbol AND coalesce(m.valid_from, DATE '0001-01-01') < make_date(y.year, 1, 1)
    WHERE y.year - y.previous_year > 2
),
bounds AS (
    -- `starts` is read once: DuckDB would compute it for all symbols before a filter if it were read twice.
    SELECT DISTINCT symbol, CASE WHEN is_first THEN DATE '0001-01-01' ELSE since END AS since
    FROM starts
    CROSS JOIN (VALUES (true), (false)) AS kinds (is_first)
)
SELECT
    symbol,
    since AS history_from,
    lead(since, 1, DATE '9999-12-31') OVER (PARTITION BY symbol ORDER BY since) AS history_until
FROM bounds;
