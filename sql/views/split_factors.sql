/* ---
name: split_factors
title: The product of the splits after a price basis, for every symbol that has splits.
status: active
grain: one row per symbol and interval of price_basis
needs: [latest_bars]
returns: symbol, basis_from (inclusive), basis_until (exclusive), later_splits
reference: a price of basis b, in today's shares, is price / later_splits(b)
example: FROM split_factors WHERE symbol = 'BHP'
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE VIEW split_factors AS
WITH steps AS (
    -- Filters on the stored column, so that DuckDB skips row groups without a split.
    SELECT symbol, date, split_ratio FROM latest_bars WHERE split_ratio > 0 AND split_ratio <> 1
    UNION ALL
    SELECT symbol, DATE '0001-01-01' AS date, 1.0 AS split_ratio
    FROM latest_bars WHERE split_ratio > 0 AND split_ratio <> 1
    GROUP BY symbol
)
SELECT
    symbol,
    date AS basis_from,
    lead(date, 1, DATE '9999-12-31') OVER (PARTITION BY symbol ORDER BY date) AS basis_until,
    coalesce(
        product(split_ratio) OVER (
            PARTITION BY symbol ORDER BY date ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ),
        1.0
    ) AS later_splits
FROM steps;
