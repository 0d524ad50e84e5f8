/* ---
name: metadata_answers
title: "Polygon's answers, unchanged, page by page: the only definition of the format of raw-metadata/."
status: active
grain: one row per page
params: {}
needs: []
returns: temp table answers, without rows
reference: stored so that silver/metadata can be rebuilt from the answers with other rules
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE answers (
    kind     VARCHAR,  -- tickers (of the day), delisted (through the day), events (of one symbol)
    day      DATE,     -- that the answer describes
    symbol   VARCHAR,  -- whose events were requested
    path     VARCHAR,  -- of the request, without host and key
    asked_at VARCHAR,  -- time of the request, ISO 8601 UTC with microseconds
    answer   VARCHAR,  -- JSON; NULL if refused
    refused  VARCHAR   -- the reason, if refused
);
