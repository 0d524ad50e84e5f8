/* ---
name: reused_symbols
title: The symbols that another company has taken over, so that their bars before and after a day are two histories.
status: active
grain: one row per symbol and change of the company
needs: [metadata, read_symbols]
returns: symbol, date (first list with the other company), name (of the other company), previous_name (of the company
  before), previous_until (the first list without the previous company), evidence (figi, code change, listing date,
  gap)
reference: "evidence: figi - the FIGIs differ; code change - the previous company had gone on under another symbol;
  listing date - it differs, and so does the name; gap - the name differs, and lists in between lack the symbol. Where
  the FIGI is the same, the company is the same. A name that changes from one list to the next is not enough"
example: FROM reused_symbols ORDER BY date DESC
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW reused_symbols AS
WITH periods AS (
    SELECT
        symbol, name, figi, listing_date, valid_from, plain_name(name) AS company,
        lag(name) OVER w AS previous_name, lag(plain_name(name)) OVER w AS previous_company,
        lag(figi) OVER w AS previous_figi, lag(listing_date) OVER w AS previous_listing,
        lag(renamed_to) OVER w AS previous_code, lag(valid_to) OVER w AS previous_until
    FROM metadata
    WINDOW w AS (PARTITION BY symbol ORDER BY valid_from NULLS FIRST)
),
judged AS (
    SELECT
        symbol, valid_from AS date, name, previous_name, previous_until,
        CASE
            WHEN figi = previous_figi THEN NULL
            WHEN figi <> previous_figi THEN 'figi'
            WHEN previous_code <> symbol THEN 'code change'
            WHEN company <> previous_company AND listing_date <> previous_listing THEN 'listing date'
            WHEN company <> previous_company AND previous_until < valid_from THEN 'gap'
        END AS evidence
    FROM periods
)
SELECT symbol, date, name, previous_name, previous_until, evidence FROM judged WHERE evidence IS NOT NULL;
