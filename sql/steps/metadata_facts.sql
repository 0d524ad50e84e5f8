/* ---
name: metadata_facts
title: "Polygon's facts about single symbols: the successive codes of a company, and when a symbol was delisted."
status: active
grain: one row per company and code in codes, per symbol and day in delisted
params: {}
needs: [steps/metadata_answers]
makes:
  codes: figi, symbol, since, next_symbol, next_since
  delisted: symbol, name, type, exchange, currency, figi, delisting_date
returns: temp tables codes and delisted
reference: if a company was requested twice, the newest answer counts
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE codes AS
WITH answered AS (
    SELECT path, asked_at, from_json(CAST(answer AS JSON), '{"results": "JSON"}').results AS company
    FROM answers
    WHERE kind = 'events' AND answer IS NOT NULL
),
companies AS (
    SELECT coalesce(company ->> '$.composite_figi', path) AS id, asked_at, path, company FROM answered
),
newest AS (
    SELECT id, company
    FROM companies
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY asked_at DESC, path) = 1
),
events AS (
    SELECT id, company ->> '$.composite_figi' AS figi, unnest(from_json(company -> '$.events', '["JSON"]')) AS event
    FROM newest
),
changes AS (
    SELECT id, figi, event ->> '$.ticker_change.ticker' AS symbol, TRY_CAST(event ->> '$.date' AS DATE) AS since
    FROM events
    WHERE event ->> '$.type' = 'ticker_change'
)
SELECT
    figi, symbol, since, lead(symbol) OVER by_date AS next_symbol, lead(since) OVER by_date AS next_since
FROM changes
WHERE symbol <> '' AND since IS NOT NULL
WINDOW by_date AS (PARTITION BY id ORDER BY since, symbol);

CREATE OR REPLACE TEMP TABLE delisted AS
WITH tickers AS (
    SELECT unnest(from_json(CAST(answer AS JSON), '{"results": ["JSON"]}').results) AS ticker
    FROM answers
    WHERE kind = 'delisted'
),
fields AS (
    SELECT
        ticker ->> '$.ticker' AS symbol, nullif(ticker ->> '$.name', '') AS name, ticker ->> '$.type' AS type,
        ticker ->> '$.primary_exchange' AS exchange, upper(ticker ->> '$.currency_name') AS currency,
        ticker ->> '$.composite_figi' AS figi, TRY_CAST(left(ticker ->> '$.delisted_utc', 10) AS DATE) AS delisting_date
    FROM tickers
)
SELECT symbol, name, type, exchange, currency, figi, delisting_date
FROM fields
WHERE symbol <> '' AND delisting_date IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY symbol, delisting_date
    ORDER BY figi NULLS LAST, name NULLS LAST, type NULLS LAST, exchange NULLS LAST, currency NULLS LAST
) = 1;
