/* ---
name: read_symbols
title: The companies in a list of files, each of which is the exchange's list of companies of a day.
status: active
grain: one row per list and symbol
params: {files: list of CSV files}
needs: []
variables: [sql_home, symbol_files]
returns: symbol, name (of the company), sector (as the exchange names it), market_cap (money, in the market's
  currency, NULL if not known), listed_on (date of the list)
example: FROM read_symbols(symbol_files()) WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
  - 2026-11-27 files that are no list are an error
--- */
CREATE OR REPLACE MACRO symbol_files() AS coalesce(
    getvariable('symbol_files'),
    error('this connection has no lake: open it with analytics.connect(); con.cursor() does not inherit the lake')
);

-- A company's name without legal forms and punctuation: ASX writes ZIP CO LIMITED, ZIP CO LIMITED. and ZIP CO LIMITED..
-- A holding company that takes over a listing counts as the same company.
CREATE OR REPLACE MACRO plain_name(name) AS nullif(trim(regexp_replace(regexp_replace(
    regexp_replace(upper(name), '[^\p{L}\p{N} ]', '', 'g'),
    '\b(THE|LIMITED|LTD|NL|INC|INCORPORATED|CORP|CORPORATION|CO|COMPANY|PLC|LLC|GROUP|HOLDINGS?)\b', '', 'g'
), ' +', ' ', 'g')), '');

-- list_concat() takes NULL for a list without files.
CREATE OR REPLACE MACRO file_list(files) AS coalesce(
    TRY_CAST(files AS VARCHAR[]),
    error('the files are ' || coalesce(CAST(files AS VARCHAR), 'NULL') || ': a list of paths is needed, as [''a.csv'']')
);

CREATE OR REPLACE MACRO read_symbols(files) AS TABLE
SELECT
    symbol,
    name,
    sector,
    CAST(TRY_CAST(market_cap AS DOUBLE) AS BIGINT) AS market_cap,
    CAST(left(parse_filename(filename), 10) AS DATE) AS listed_on
FROM read_csv(
    list_concat([getvariable('sql_home') || '/schema/symbols.csv'], file_list(files)),
    header = true, delim = ',', quote = '"', escape = '"', filename = true, auto_detect = false,
    columns = {symbol: 'VARCHAR', name: 'VARCHAR', sector: 'VARCHAR', market_cap: 'VARCHAR'}
);
