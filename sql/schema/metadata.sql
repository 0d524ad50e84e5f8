/* ---
name: metadata
title: One row of silver/metadata; the only definition of its format.
status: active
grain: one row per symbol and period; a symbol's periods do not overlap
returns: the columns below
reference: a slowly changing dimension of type 2; schema/metadata.parquet is this table without rows (make schema)
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE TEMP TABLE metadata (
    symbol         VARCHAR,  -- the exchange's own code in this period
    name           VARCHAR,  -- of the company or security; this and what follows: NULL where no source tells
    sector         VARCHAR,
    type           VARCHAR,  -- CS common stock, ETF, PFD, WARRANT, ... (Polygon's codes)
    exchange       VARCHAR,  -- ISO 10383: XNYS
    currency       VARCHAR,  -- ISO 4217: USD
    figi           VARCHAR,  -- composite FIGI: stays with the security when its code changes
    listing_date   DATE,     -- the company's first day on the exchange, under whatever code
    delisting_date DATE,     -- the last day, where a source tells it; NULL in a period that ended with a code change
    renamed_from   VARCHAR,  -- the company's code until valid_from, where that was another
    renamed_to     VARCHAR,  -- its code from valid_to on, where that is another
    source         VARCHAR,  -- what tells of the period: directory or polygon, by lists of all companies;
                             -- polygon-delisted or polygon-events, of periods that no list of the lake shows
    valid_from     DATE,     -- the first list that shows it so; NULL: not known since when
    valid_to       DATE      -- the first list that does not, exclusive; NULL: the newest list still does
);
