/* ---
name: decayed_v1
title: "The recursion y[k] = x[k] + q * y[k - 1] per symbol, written with window functions."
status: active
grain: a scalar with window functions, over rows that have symbol and date
params: {x: "DOUBLE, never NULL", q: "constant, 0 < q < 1", k: "0-based number of the bar within its symbol"}
needs: []
returns: DOUBLE
reference: it adds x * q^-r, where r is the bar's position in its block of bars, because a sum over all bars would overflow.
  It reads a bar's block and the block before it; a block is so long that earlier bars have a weight of less than 1e-199.
  The compiled query (sql/compiler) computes the same recursion by doubling
example: SELECT decayed_v1(x, 0.5, k) FROM (SELECT 'A' AS symbol, DATE '2026-01-01' AS date, 1e0 AS x, 0 AS k)
changes:
  - 2026-11-21 first version
--- */
CREATE OR REPLACE MACRO block_v1(q) AS CAST(floor(460 / -ln(q)) AS BIGINT);

CREATE OR REPLACE MACRO decayed_v1(x, q, k) AS
pow(q, k % block_v1(q)) * sum(x * pow(q, -(k % block_v1(q)))) OVER (
    PARTITION BY symbol, k // block_v1(q) ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
)
+ pow(q, k % block_v1(q) + block_v1(q)) * coalesce(sum(x * pow(q, -(k % block_v1(q)))) OVER (
    PARTITION BY symbol ORDER BY k // block_v1(q) RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING
), 0);
