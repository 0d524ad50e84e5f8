/* ---
name: metadata_periods
title: The periods in which lists show a symbol with the same attributes, continuing the periods so far.
status: active
grain: one row per symbol and period
params: {}
needs: [steps/metadata_lists]
tables: {before: schema/metadata}
variables: [through]
makes: {periods: "symbol, name, sector, type, exchange, currency, figi, listing_date, source, valid_from, valid_to"}
returns: temp table periods, the columns of schema/metadata.sql without those that metadata_links adds
reference: the method is gaps and islands over the lists' numbers. `before` has the periods of the lists up to
  `through`; its open periods stand for the last of these lists, so that adding lists one by one has the same result as
  reading all of them at once
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE periods AS
WITH listed AS (
    SELECT
        day, symbol, name, sector, type, exchange, currency, figi, listing_date, source, day AS since
    FROM observed
    UNION ALL
    SELECT
        getvariable('through'), symbol, name, sector, type, exchange, currency, figi, listing_date, source, valid_from
    FROM before
    WHERE valid_to IS NULL
),
lists AS (
    SELECT day, row_number() OVER (ORDER BY day) AS no FROM (SELECT day FROM listed GROUP BY day) AS days
),
shown AS (
    SELECT
        t.symbol, t.name, t.sector, t.type, t.exchange, t.currency, t.figi, t.listing_date, t.source, t.since,
        l.no, l.no - row_number() OVER (PARTITION BY t.symbol ORDER BY l.no) AS island
    FROM listed AS t
    JOIN lists AS l ON l.day = t.day
),
-- An attribute that a list lacks is copied from the lists before it, within a run of lists that contain the symbol.
filled AS (
    SELECT
        symbol, source, since, no, island,
        last_value(name IGNORE NULLS) OVER so_far AS name,
        last_value(sector IGNORE NULLS) OVER so_far AS sector,
        last_value(type IGNORE NULLS) OVER so_far AS type,
        last_value(exchange IGNORE NULLS) OVER so_far AS exchange,
        last_value(currency IGNORE NULLS) OVER so_far AS currency,
        last_value(figi IGNORE NULLS) OVER so_far AS figi,
        last_value(listing_date IGNORE NULLS) OVER so_far AS listing_date
    FROM shown
    WINDOW so_far AS (PARTITION BY symbol, island ORDER BY no ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
-- An attribute that was NULL is assumed to have been the same before: only a different value starts a new period.
changed AS (
    SELECT
        symbol, source, since, no, island, name, sector, type, exchange, currency, figi, listing_date,
        name <> lag(name) OVER by_list OR sector <> lag(sector) OVER by_list OR type <> lag(type) OVER by_list
            OR exchange <> lag(exchange) OVER by_list OR currency <> lag(currency) OVER by_list
            OR figi <> lag(figi) OVER by_list OR listing_date <> lag(listing_date) OVER by_list AS is_change
    FROM filled
    WINDOW by_list AS (PARTITION BY symbol, island ORDER BY no)
),
versions AS (
    SELECT
        symbol, source, since, no, island, name, sector, type, exchange, currency, figi, listing_date,
        count(CASE WHEN is_change THEN 1 END) OVER (
            PARTITION BY symbol, island ORDER BY no ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS version
    FROM changed
),
spans AS (
    SELECT
        symbol, max(name) AS name, max(sector) AS sector, max(type) AS type, max(exchange) AS exchange,
        max(currency) AS currency, max(figi) AS figi, max(listing_date) AS listing_date,
        arg_min(source, no) AS source, min(since) AS valid_from, max(no) AS last_no
    FROM versions
    GROUP BY symbol, island, version
)
SELECT
    s.symbol, s.name, s.sector, s.type, s.exchange, s.currency, s.figi, s.listing_date, s.source, s.valid_from,
    l.day AS valid_to
FROM spans AS s
LEFT JOIN lists AS l ON l.no = s.last_no + 1
UNION ALL
SELECT
    symbol, name, sector, type, exchange, currency, figi, listing_date, source, valid_from, valid_to
FROM before
WHERE valid_to IS NOT NULL AND source IN ('directory', 'polygon');
