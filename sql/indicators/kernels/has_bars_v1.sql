/* ---
name: has_bars_v1
title: True if a benchmark has bars; otherwise an error that names it.
status: active
grain: a scalar
params: {bars: number of its bars, benchmark: its symbol, what: the indicator and the parameter in words}
needs: []
returns: BOOLEAN
reference: used in the WHERE of the last SELECT of an indicator that compares symbols with a benchmark, which would
  otherwise be NULL everywhere
example: SELECT has_bars_v1(250, 'SPY', 'the benchmark of beta')
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO has_bars_v1(bars, benchmark, what) AS
CASE WHEN bars > 0 THEN true
    ELSE error(what || ' is ' || coalesce(CAST(benchmark AS VARCHAR), 'NULL') || ', which has no bars in the table')
END;
