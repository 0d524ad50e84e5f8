/* ---
name: metadata_turns
title: The periods that end or begin from one list to the next while neither their symbol nor their company continues.
status: active
grain: one row per period and turn
params: {}
needs: [read_symbols, steps/metadata_dated]
makes:
  numbered: id, symbol, sector, figi, listing_date, valid_from, valid_to, is_listed, company
  turns: id, symbol, sector, figi, listing_date, company, day, turn
returns: temp tables numbered (dated, with a number and the plain name of the company) and turns (turn is ended or
  begun)
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE numbered AS
SELECT
    row_number() OVER (ORDER BY symbol, valid_from NULLS FIRST) AS id,
    symbol, sector, figi, listing_date, valid_from, valid_to, source IN ('directory', 'polygon') AS is_listed,
    plain_name(name) AS company
FROM dated;

CREATE OR REPLACE TEMP TABLE turns AS
WITH ends AS (
    SELECT id, symbol, sector, figi, listing_date, company, valid_to AS day, 'ended' AS turn
    FROM numbered
    WHERE is_listed AND valid_to IS NOT NULL
    UNION ALL
    SELECT id, symbol, sector, figi, listing_date, company, valid_from, 'begun'
    FROM numbered
    WHERE is_listed AND valid_from > (SELECT min(valid_from) FROM numbered WHERE is_listed)
)
SELECT e.id, e.symbol, e.sector, e.figi, e.listing_date, e.company, e.day, e.turn
FROM ends AS e
WHERE NOT EXISTS (
    SELECT 1 FROM ends AS o WHERE o.symbol = e.symbol AND o.day = e.day AND o.turn <> e.turn
) AND NOT EXISTS (
    SELECT 1 FROM numbered AS o
    WHERE o.company = e.company AND o.symbol <> e.symbol AND o.valid_from < e.day
        AND (o.valid_to > e.day OR o.valid_to IS NULL)
);
