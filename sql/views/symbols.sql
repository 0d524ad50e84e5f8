/* ---
name: symbols
title: The companies listed today, from the newest list in the lake.
status: active
grain: one row per symbol
needs: [read_symbols]
returns: symbol, name, sector, market_cap (in the market's currency, NULL if not known), listed_on (date of the list)
example: FROM symbols WHERE sector = 'Materials' ORDER BY market_cap DESC
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW symbols AS
SELECT symbol, name, sector, market_cap, listed_on
FROM read_symbols(list_slice(symbol_files(), -1, -1));
