/* ---
name: metadata_answers
title: "The answers of Polygon, page by page as received: one row of raw-metadata/; the only definition of its format."
status: active
grain: one row per page
params: {}
needs: []
makes: {answers: "kind, day, symbol, path, asked_at, answer, refused"}
returns: temp table answers, without rows
reference: the answers are stored so that silver/metadata can be recomputed from them when the rules change
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE answers (
    kind     VARCHAR,  -- tickers (of the day), delisted (until the day), events (of one symbol)
    day      DATE,     -- the day that the answer describes
    symbol   VARCHAR,  -- the symbol whose events were requested
    path     VARCHAR,  -- path of the request, without host and key
    asked_at VARCHAR,  -- time of the request, ISO 8601 UTC with microseconds
    answer   VARCHAR,  -- JSON; NULL if refused
    refused  VARCHAR   -- the reason, if refused
);
