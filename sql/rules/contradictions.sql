/* ---
name: contradictions
title: Which prices contradict the close, or each other, by more than half a unit of the bar's last digit; NULL if none.
status: active
grain: a scalar
params: {prices: "DOUBLE[] of four elements: open, high, low and close"}
needs: []
returns: VARCHAR[] of three elements, of open, high and low
reference: the close is trusted. Half a unit, because prices that were floats differ by noise, which is no contradiction
example: "SELECT contradictions([1.5, 1.5, 1.4, 1.6])"
changes:
  - 2026-11-27 first version
--- */
-- A number that was a float has the text of the float: 0.13 and not 0.12999999523162842.
CREATE OR REPLACE MACRO shortest_text(x) AS
    CASE WHEN TRY_CAST(x AS FLOAT)::DOUBLE = x THEN CAST(TRY_CAST(x AS FLOAT) AS VARCHAR) ELSE CAST(x AS VARCHAR) END;

-- 10 to the power of the decimals of a text; exponents, as in 1.5e-07, are those of prices below 0.0001.
CREATE OR REPLACE MACRO decimals(text) AS
    len(regexp_extract(text, '\.([0-9]*?)0*(e|$)', 1))
    + coalesce(TRY_CAST(regexp_extract(text, 'e-([0-9]+)$', 1) AS INTEGER), 0);

CREATE OR REPLACE MACRO half_unit(prices) AS 0.5 / pow(10.0, coalesce(
    list_max(list_transform(list_filter(prices, lambda x: x < 1e7), lambda x: decimals(shortest_text(x)))), 0
));

CREATE OR REPLACE MACRO contradictions(prices) AS list_transform(
    [{open: prices[1], high: prices[2], low: prices[3], close: prices[4], noise: half_unit(prices)}],
    lambda bar: list_transform([{
        high: CASE WHEN bar.high < bar.close - bar.noise THEN 'the high is below the close'
            WHEN bar.close IS NULL AND bar.high < bar.low - bar.noise THEN 'the high is below the low' END,
        low: CASE WHEN bar.low > bar.close + bar.noise THEN 'the low is above the close'
            WHEN bar.close IS NULL AND bar.high < bar.low - bar.noise THEN 'the low is above the high' END
    }], lambda fault: list_transform([[
        CASE WHEN fault.high IS NULL AND bar.open > bar.high + bar.noise THEN 'the open is above the high'
            WHEN fault.low IS NULL AND bar.open < bar.low - bar.noise THEN 'the open is below the low' END,
        fault.high,
        fault.low
    ]], lambda faults: CASE WHEN len(list_filter(faults, lambda x: x IS NOT NULL)) > 0 THEN faults END)[1])[1]
)[1];
