/* ---
name: symbol_changes
title: "Changes from each list of companies to the next: added, removed and renamed."
status: active
grain: one row per day, symbol and change
needs: [read_symbols]
returns: date (of the first list with the change), symbol, change (added, removed, renamed), name (of the company),
  previous_name (in the list before, of a change of name)
example: FROM symbol_changes WHERE date >= '2026-11-01' ORDER BY date, symbol
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW symbol_changes AS
WITH companies AS (
    SELECT listed_on, symbol, name FROM read_symbols(symbol_files())
),
lists AS (
    SELECT listed_on, lag(listed_on) OVER (ORDER BY listed_on) AS previous
    FROM (SELECT listed_on FROM companies GROUP BY listed_on) AS days
),
now AS (
    SELECT l.listed_on, c.symbol, c.name
    FROM lists AS l JOIN companies AS c ON c.listed_on = l.listed_on
    WHERE l.previous IS NOT NULL
),
before AS (
    SELECT l.listed_on, c.symbol, c.name
    FROM lists AS l JOIN companies AS c ON c.listed_on = l.previous
)
SELECT
    coalesce(now.listed_on, before.listed_on) AS date,
    coalesce(now.symbol, before.symbol) AS symbol,
    CASE
        WHEN before.symbol IS NULL THEN 'added'
        WHEN now.symbol IS NULL THEN 'removed'
        ELSE 'renamed'
    END AS change,
    now.name AS name,
    before.name AS previous_name
FROM now
FULL OUTER JOIN before ON before.listed_on = now.listed_on AND before.symbol = now.symbol
WHERE before.symbol IS NULL OR now.symbol IS NULL OR now.name IS DISTINCT FROM before.name;
