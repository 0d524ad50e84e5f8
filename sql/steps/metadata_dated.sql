/* ---
name: metadata_dated
title: The periods that lists show, with Polygon's dates of delisting, and the periods that only Polygon reports.
status: active
grain: one row per symbol and period
params: {}
needs: [steps/metadata_periods, steps/metadata_facts]
makes:
  dated: symbol, name, sector, type, exchange, currency, figi, listing_date, delisting_date, source, valid_from,
    valid_to
returns: temp table dated, the columns of schema/metadata.sql without renamed_from and renamed_to
reference: a period from lists is never split or joined; a fact of Polygon that contradicts the lists of its time is
  left out
changes:
  - 2026-11-21 first version
--- */
-- The periods from lists, and the periods of former codes from events if no list has the code at that time.
CREATE OR REPLACE TEMP TABLE traced AS
WITH former AS (
    SELECT c.symbol, c.figi, c.since, c.next_since
    FROM codes AS c
    WHERE c.next_symbol <> c.symbol AND c.since < c.next_since AND NOT EXISTS (
        SELECT 1 FROM periods AS p
        WHERE p.symbol = c.symbol AND p.valid_from < c.next_since AND (p.valid_to > c.since OR p.valid_to IS NULL)
    )
    QUALIFY coalesce(since >= max(next_since) OVER (
        PARTITION BY symbol ORDER BY since, next_since, figi NULLS LAST, next_symbol
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), true)
)
SELECT symbol, name, sector, type, exchange, currency, figi, listing_date, source, valid_from, valid_to
FROM periods
UNION ALL
SELECT symbol, NULL, NULL, NULL, NULL, NULL, figi, NULL, 'polygon-events', since, next_since
FROM former;

CREATE OR REPLACE TEMP TABLE dated AS
WITH placed AS (  -- each delisting with the latest period that begins before it
    SELECT
        d.symbol, d.name, d.type, d.exchange, d.currency, d.figi, d.delisting_date, t.valid_from, t.valid_to,
        d.delisting_date < t.valid_to OR d.name = t.name OR d.figi = t.figi AS is_near,
        coalesce(d.figi = t.figi, true) AS may_be
    FROM delisted AS d
    ASOF LEFT JOIN traced AS t ON t.symbol = d.symbol AND t.valid_from <= d.delisting_date
),
ends AS (
    SELECT symbol, valid_from, max(delisting_date) AS delisting_date
    FROM placed
    WHERE valid_to IS NOT NULL AND is_near AND may_be
    GROUP BY symbol, valid_from
)
SELECT
    t.symbol, t.name, t.sector, t.type, t.exchange, t.currency, t.figi, t.listing_date, e.delisting_date, t.source,
    t.valid_from, t.valid_to
FROM traced AS t
LEFT JOIN ends AS e ON e.symbol = t.symbol AND e.valid_from = t.valid_from
UNION ALL
SELECT
    symbol, name, NULL, type, exchange, currency, figi, NULL, delisting_date, 'polygon-delisted',
    lag(delisting_date) OVER (PARTITION BY symbol ORDER BY delisting_date) + 1,
    delisting_date + 1
FROM placed
WHERE valid_from IS NULL;
