/* ---
name: metadata
title: One row of silver/metadata; the only definition of its format.
status: active
needs: []
grain: one row per symbol and period; a symbol's periods do not overlap
returns: the columns below
reference: a slowly changing dimension of type 2; schema/metadata.parquet is this table without rows (`make sql`)
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE metadata (
    symbol         VARCHAR,  -- the exchange's own code in this period
    name           VARCHAR,  -- company or security; NULL, like the columns below, if no source reports it
    sector         VARCHAR,  -- as the source names it
    type           VARCHAR,  -- CS common stock, ETF, PFD, WARRANT, ... (Polygon's codes)
    exchange       VARCHAR,  -- ISO 10383: XNYS
    currency       VARCHAR,  -- ISO 4217: USD
    figi           VARCHAR,  -- composite FIGI: stays with the security when its code changes
    listing_date   DATE,     -- the company's first day on the exchange, under any code
    delisting_date DATE,     -- the last day, if a source reports it; NULL in a period that ended with a code change
    renamed_from   VARCHAR,  -- the company's code before valid_from, if it was another
    renamed_to     VARCHAR,  -- its code from valid_to on, if it is another
    source         VARCHAR,  -- origin of the period: directory and polygon are lists of all companies;
                             -- polygon-delisted and polygon-events report periods that no list of the lake shows
    valid_from     DATE,     -- date of the first list with these values; NULL if unknown
    valid_to       DATE      -- date of the first list without them, exclusive; NULL if the newest list has them
);
