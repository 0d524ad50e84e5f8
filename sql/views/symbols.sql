/* ---
name: symbols
title: The companies listed today, from the newest list in the lake.
status: active
grain: one row per symbol
needs: [read_symbols]
returns: the columns of read_symbols
example: FROM symbols WHERE sector = 'Materials' ORDER BY market_cap DESC
changes:
  - 2026-11-21 first version
  - 2026-11-27 a list without a company is an error: it is damaged
--- */
CREATE OR REPLACE VIEW symbols AS
WITH listed AS MATERIALIZED (
    SELECT symbol, name, sector, market_cap, listed_on
    FROM read_symbols(list_slice(symbol_files(), -1, -1))
)
FROM listed
UNION ALL
SELECT
    error(
        'cannot read ' || symbol_files()[-1] || ': no company is in it: `stockstream repair` shows what can be restored'
    ),
    NULL, NULL, NULL, NULL
FROM (SELECT count(*) AS companies FROM listed) AS counted
WHERE companies = 0 AND len(symbol_files()) > 0;
