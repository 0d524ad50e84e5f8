/* ---
name: metadata_lists
title: "Lists of all companies with their attributes: the exchange's own lists, and Polygon's tickers of a day."
status: active
grain: one row per list and symbol
params: {}
needs: [read_symbols, steps/metadata_answers]
variables: [sql_home, list_files, date_files]
makes: {observed: "day, symbol, name, sector, type, exchange, currency, figi, listing_date, source"}
returns: temp table observed, the columns of schema/metadata.sql that a list can contain, and day
reference: if a day has both lists, Polygon's is used, because it has the same companies with more attributes
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE observed AS
WITH tickers AS (
    SELECT day, unnest(from_json(CAST(answer AS JSON), '{"results": ["JSON"]}').results) AS row
    FROM answers
    WHERE kind = 'tickers'
),
listing_dates AS (
    SELECT CAST(left(parse_filename(filename), 10) AS DATE) AS day, symbol, listing_date
    FROM read_parquet(
        list_concat([getvariable('sql_home') || '/schema/metadata.parquet'], getvariable('date_files')),
        union_by_name = true, filename = true
    )
),
listed AS (
    SELECT
        s.listed_on AS day, s.symbol, nullif(s.name, '') AS name, nullif(s.sector, '') AS sector,
        CAST(NULL AS VARCHAR) AS type, CAST(NULL AS VARCHAR) AS exchange, CAST(NULL AS VARCHAR) AS currency,
        CAST(NULL AS VARCHAR) AS figi, d.listing_date, 'directory' AS source
    FROM read_symbols(getvariable('list_files')) AS s
    LEFT JOIN listing_dates AS d ON d.day = s.listed_on AND d.symbol = s.symbol
    ANTI JOIN tickers AS t ON t.day = s.listed_on
    UNION ALL
    SELECT
        day, row ->> '$.ticker', nullif(row ->> '$.name', ''), NULL,
        row ->> '$.type', row ->> '$.primary_exchange', upper(row ->> '$.currency_name'),
        row ->> '$.composite_figi', TRY_CAST(row ->> '$.list_date' AS DATE), 'polygon'
    FROM tickers
)
SELECT day, symbol, name, sector, type, exchange, currency, figi, listing_date, source
FROM listed
WHERE symbol <> ''
-- If a list contains a symbol twice, the same row wins, whatever the order of the rows.
QUALIFY row_number() OVER (
    PARTITION BY day, symbol
    ORDER BY name NULLS LAST, figi NULLS LAST, sector NULLS LAST, type NULLS LAST, exchange NULLS LAST,
        currency NULLS LAST, listing_date NULLS LAST
) = 1;
