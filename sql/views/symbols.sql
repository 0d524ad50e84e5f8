/* ---
name: symbols
title: The companies listed today, from the newest directory in the lake.
status: active
grain: one row per symbol
needs: [read_symbols]
returns: symbol, name, sector, market_cap (the market's currency, NULL not known), listed_on (the day of the list)
example: FROM symbols WHERE sector = 'Materials' ORDER BY market_cap DESC
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW symbols AS
SELECT symbol, name, sector, market_cap, listed_on
FROM read_symbols(list_slice(symbol_files(), -1, -1));

COMMENT ON VIEW symbols IS 'The companies listed today, from the newest directory in the lake.';
