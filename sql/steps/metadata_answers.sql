/* ---
name: metadata_answers
title: "What Polygon answered, page by page as it came: one row of raw-metadata/; the only definition of its format."
status: active
grain: one row per page
params: {}
needs: []
returns: temp table answers, without rows
reference: kept so that silver/metadata can be made again from what was said, by other rules
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE answers (
    kind     VARCHAR,  -- tickers (of the day), delisted (known on the day), events (of one symbol)
    day      DATE,     -- that the answer tells of
    symbol   VARCHAR,  -- of which events were asked for
    path     VARCHAR,  -- of the request, without host and key
    asked_at VARCHAR,  -- ISO 8601 UTC with microseconds
    answer   VARCHAR,  -- JSON; NULL: refused
    refused  VARCHAR   -- the reason
);
