/* ---
name: mass_index
version: 1
aliases: [massi]
title: Mass index.
status: active
grain: one row per symbol and date
params: {fast: 9, n: 25}
columns: [high, low]
returns: [mass_index]
units: {mass_index: "ratio, about n"}
warmup: 2 * fast + n - 3
lookback: 2 * fast + n - 3 + 36 * (fast + 1)
formula: sum of e1 / e2 over the last n bars, where e1 = ema(fast) of high - low and e2 = ema(fast) of e1; the quotient
  is 1 where e2 is 0; each average starts with the mean of its first values
difference: 6e-15
reference: D. Dorsey, The Mass Index, Technical Analysis of Stocks & Commodities (1992); equal to TA-Lib MASSI; the n
  of TradingView is 10
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO mass_index_v1(src, fast, n) AS TABLE
WITH bars AS (
    SELECT symbol, date, CAST(high AS DOUBLE) - CAST(low AS DOUBLE) AS x, row_number() OVER w - 1 AS k
    FROM query_table(src)
    WHERE is_finite_v1(high) AND is_finite_v1(low) AND at_least_v1(fast, 2, 'fast of mass_index')
        AND at_least_v1(n, 2, 'the period n of mass_index')
    WINDOW w AS (PARTITION BY symbol ORDER BY date)
),
once AS (
    SELECT symbol, date, k, ema_of_v1(x, fast, fast - 1, k) AS e1
    FROM bars
),
twice AS (
    SELECT symbol, date, k, e1, ema_of_v1(e1, fast, 2 * fast - 2, k) AS e2
    FROM once
),
quotients AS (
    SELECT symbol, date, k, CASE WHEN e2 = 0 THEN 1e0 ELSE e1 / e2 END AS quotient
    FROM twice
)
SELECT symbol, date, CASE WHEN k >= 2 * fast + n - 3 THEN sum(quotient) OVER w END AS mass_index
FROM quotients
WINDOW w AS (PARTITION BY symbol ORDER BY date ROWS BETWEEN n - 1 PRECEDING AND CURRENT ROW);
