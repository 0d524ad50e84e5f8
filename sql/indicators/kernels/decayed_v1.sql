/* ---
name: decayed_v1
title: "The recursion y[k] = x[k] + q * y[k - 1] of each symbol, as windows."
status: active
grain: a scalar with window functions, over rows that have symbol and date
params: {x: "DOUBLE, never NULL", q: "constant, 0 < q < 1", k: "0-based number of the bar within its symbol"}
needs: []
returns: DOUBLE
reference: sums of x * q^-r in blocks of bars, r the bar's place in its block, as one sum over all bars would overflow; a block
  is so long that what lies before the previous one counts less than 1e-200; the wide query (sql/wide.py) has the same
  recursion by doubling
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
