/* ---
name: paired
title: The accepted rows beside the rows of the lake for the same days, and the price basis that they really have.
status: active
grain: one row per symbol and date
params:
  basis_is_declared: BOOLEAN, whether the user has declared the price basis
needs: [steps/batch_factors, steps/accept, steps/stored]
makes:
  paired: symbol, date, came, accepted, stored, is_new, later_splits, stored_splits, price_basis, basis_so_far
returns: temp table paired; accepted and stored are structs of the judged values
reference: a vendor lists a split before it adjusts its older prices. Such prices have a later basis than those in the
  lake, with a split in between, but the same values. They keep the basis of the lake (basis_so_far), as do the new rows
  of the same answer
changes:
  - 2026-11-27 first version; it was part of news
--- */
CREATE OR REPLACE TEMP TABLE paired AS
WITH incoming AS (
    SELECT
        b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.adjusted_close, b.dividend, b.split_ratio,
        b.price_basis, b.came, coalesce(f.later_splits, 1.0) AS later_splits,
        max(CASE WHEN b.split_ratio <> 1.0 AND b.date <= b.price_basis THEN b.date END) OVER (PARTITION BY b.symbol)
            AS newest_split
    FROM accepted AS b
    LEFT JOIN batch_factors AS f
        ON f.symbol = b.symbol AND b.price_basis >= f.basis_from AND b.price_basis < f.basis_until
            AND b.date >= f.history_from AND b.date < f.history_until
)
SELECT
    i.symbol, i.date, i.came,
    {
        open: i.open, high: i.high, low: i.low, close: i.close, volume: i.volume, adjusted_close: i.adjusted_close,
        dividend: i.dividend, split_ratio: i.split_ratio
    } AS accepted,
    {
        open: s.open, high: s.high, low: s.low, close: s.close, volume: s.volume, adjusted_close: s.adjusted_close,
        dividend: s.dividend, split_ratio: s.split_ratio
    } AS stored,
    s.symbol IS NULL AS is_new, i.later_splits, s.later_splits AS stored_splits, i.price_basis,
    CASE WHEN NOT $basis_is_declared AND i.price_basis > s.price_basis
        AND (i.later_splits <> s.later_splits OR i.newest_split > s.price_basis)
        AND i.close = s.close AND i.open IS NOT DISTINCT FROM s.open
        AND i.high IS NOT DISTINCT FROM s.high AND i.low IS NOT DISTINCT FROM s.low
        THEN s.price_basis END AS basis_so_far
FROM incoming AS i
LEFT JOIN stored AS s ON s.symbol = i.symbol AND s.date = i.date;
