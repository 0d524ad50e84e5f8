/* ---
name: acme_middle
version: 1
title: Middle of the highest and the lowest value.
status: active
grain: one row per symbol and date
params: {n: 14, value: close}
columns: [value]
returns: [acme_middle]
price_like: [acme_middle]
warmup: n - 1
lookback: n - 1
formula: (highest value + lowest value) / 2 of the last n values
difference: 1e-15
reference: Acme
changes:
  - 2026-11-28 first version
--- */
CREATE OR REPLACE MACRO acme_middle_v1(src, n, value) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(value AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(value) AND at_least_v1(n, 2, 'the period n of acme_middle')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
)
SELECT symbol, date, CASE WHEN k >= n - 1 THEN (max(x) OVER w + min(x) OVER w) / 2 END AS acme_middle
FROM bars
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
