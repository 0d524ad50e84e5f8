/* ---
name: read_symbols
title: The companies in a list of directory files, with the day of each file.
status: active
grain: one row per list and symbol
params: {files: list of CSV files}
needs: []
returns: symbol, name, sector, market_cap (the market's currency, NULL not known), listed_on (the day of the list)
example: FROM read_symbols(symbol_files()) WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO symbol_files() AS coalesce(
    getvariable('symbol_files'),
    error('this connection has no lake: make it with analytics.connect(), a cursor of one does not do')
);

CREATE OR REPLACE MACRO read_symbols(files) AS TABLE
SELECT
    symbol,
    name,
    sector,
    CAST(TRY_CAST(market_cap AS DOUBLE) AS BIGINT) AS market_cap,
    CAST(left(parse_filename(filename), 10) AS DATE) AS listed_on
FROM read_csv(
    list_concat([getvariable('sql_home') || '/schema/symbols.csv'], files),
    header = true, delim = ',', quote = '"', escape = '"', filename = true, auto_detect = false,
    columns = {symbol: 'VARCHAR', name: 'VARCHAR', sector: 'VARCHAR', market_cap: 'VARCHAR'}
);

COMMENT ON MACRO TABLE read_symbols IS 'The companies in a list of directory files, with the day of each file.';
