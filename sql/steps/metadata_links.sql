/* ---
name: metadata_links
title: "The periods, each with the company's code before and after: a code change is neither a delisting nor a listing."
status: active
grain: one row per symbol and period
params: {}
needs: [steps/metadata_turns]
makes:
  links: from_id, to_id, evidence
  metadata: symbol, name, sector, type, exchange, currency, figi, listing_date, delisting_date, renamed_from,
    renamed_to, source, valid_from, valid_to
returns: temp tables links and metadata, the latter with the columns of schema/metadata.sql
reference: "evidence: 1 Polygon's events, 2 the same FIGI, and from one list to the next 3 the same name, 4 the same
  listing date and sector, 5 the same listing date; a pair is a code change if its evidence is the strongest (lowest) of
  both periods, and no other pair of either has the same"
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE links AS
WITH reported AS (
    SELECT a.id AS from_id, b.id AS to_id, 1 AS evidence
    FROM codes AS c
    JOIN numbered AS a ON a.symbol = c.symbol AND (a.valid_from <= c.next_since OR a.valid_from IS NULL)
    JOIN numbered AS b ON b.symbol = c.next_symbol AND (b.valid_to > c.next_since OR b.valid_to IS NULL)
    WHERE a.symbol <> b.symbol AND (a.valid_to <= b.valid_to OR b.valid_to IS NULL AND a.valid_to IS NOT NULL)
    -- The last period of the old code that began on or before the day of the change, and the first period of the new
    -- code that ended after it.
    QUALIFY row_number() OVER (
        PARTITION BY c.symbol, c.next_symbol, c.next_since ORDER BY a.valid_from DESC NULLS LAST, b.valid_to NULLS LAST
    ) = 1
),
same_security AS (
    SELECT
        id, symbol, valid_to,
        lead(id) OVER by_end AS next_id, lead(symbol) OVER by_end AS next_symbol,
        lead(valid_from) OVER by_end AS next_from
    FROM numbered
    WHERE figi IS NOT NULL
    WINDOW by_end AS (PARTITION BY figi ORDER BY valid_to NULLS LAST, valid_from NULLS FIRST, symbol)
),
same_company AS (
    SELECT
        a.id AS from_id, b.id AS to_id,
        CASE WHEN a.company = b.company THEN 3 WHEN a.sector = b.sector THEN 4 ELSE 5 END AS evidence
    FROM turns AS a
    JOIN turns AS b ON b.day = a.day
    WHERE a.turn = 'ended' AND b.turn = 'begun' AND a.symbol <> b.symbol
        AND (a.company = b.company OR a.listing_date = b.listing_date)
        AND coalesce(a.figi = b.figi, true) AND coalesce(a.listing_date = b.listing_date, true)
),
pairs AS (
    SELECT from_id, to_id, min(evidence) AS evidence
    FROM (
        SELECT from_id, to_id, evidence FROM reported
        UNION ALL
        SELECT id, next_id, 2 FROM same_security WHERE next_symbol <> symbol AND valid_to <= next_from
        UNION ALL
        SELECT from_id, to_id, evidence FROM same_company
    ) AS candidates
    GROUP BY from_id, to_id
),
best AS (
    SELECT from_id, to_id, evidence
    FROM pairs
    QUALIFY evidence = min(evidence) OVER (PARTITION BY from_id) AND evidence = min(evidence) OVER (PARTITION BY to_id)
)
SELECT from_id, to_id, evidence
FROM best
QUALIFY count(*) OVER (PARTITION BY from_id) = 1 AND count(*) OVER (PARTITION BY to_id) = 1;

CREATE OR REPLACE TEMP TABLE metadata AS
SELECT
    d.symbol, d.name, d.sector, d.type, d.exchange, d.currency, d.figi, d.listing_date,
    CASE WHEN later.symbol IS NULL THEN d.delisting_date END AS delisting_date,
    earlier.symbol AS renamed_from, later.symbol AS renamed_to, d.source, d.valid_from, d.valid_to
FROM dated AS d
JOIN numbered AS n ON n.symbol = d.symbol AND n.valid_from IS NOT DISTINCT FROM d.valid_from
LEFT JOIN links AS went ON went.from_id = n.id
LEFT JOIN numbered AS later ON later.id = went.to_id
LEFT JOIN links AS came ON came.to_id = n.id
LEFT JOIN numbered AS earlier ON earlier.id = came.from_id
ORDER BY d.symbol, d.valid_from NULLS FIRST;
