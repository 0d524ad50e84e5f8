/* ---
name: unlinked_symbols
title: The symbols that appeared when others disappeared, without evidence whether they are the same companies.
status: active
grain: one row per symbol and date
needs: [metadata]
returns: symbol, date (first list with the symbol), name (of the company), may_be (the symbols that this list no
  longer has)
reference: metadata links a code change by Polygon's events, the FIGI, the name or the listing date. Two symbols are
  listed here if the lists have the FIGI of one at most, and the listing date of one at most; each may be a code change,
  or a delisting and a new listing. Lists of companies without listing dates, as those of `--source files`, link by name
  only
example: FROM unlinked_symbols ORDER BY date DESC
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW unlinked_symbols AS
WITH listed AS (
    SELECT symbol, name, figi, listing_date, renamed_from, renamed_to, valid_from, valid_to
    FROM metadata
    WHERE source IN ('directory', 'polygon')
),
begun AS (
    SELECT symbol, name, figi, listing_date, valid_from AS date
    FROM listed AS l
    WHERE renamed_from IS NULL AND valid_from > (SELECT min(valid_from) FROM listed)
        AND NOT EXISTS (SELECT 1 FROM listed AS o WHERE o.symbol = l.symbol AND o.valid_to = l.valid_from)
),
ended AS (
    SELECT symbol, figi, listing_date, valid_to AS date
    FROM listed AS l
    WHERE renamed_to IS NULL
        AND NOT EXISTS (SELECT 1 FROM listed AS o WHERE o.symbol = l.symbol AND o.valid_from = l.valid_to)
)
SELECT b.symbol, b.date, b.name, list(e.symbol ORDER BY e.symbol) AS may_be
FROM begun AS b
JOIN ended AS e ON e.date = b.date AND e.symbol <> b.symbol
WHERE (b.figi IS NULL OR e.figi IS NULL) AND (b.listing_date IS NULL OR e.listing_date IS NULL)
GROUP BY b.symbol, b.date, b.name;
