/* ---
name: contradictions
title: Which prices of a bar contradict the close, or each other.
status: active
grain: a scalar
params: {p: "DOUBLE[] of open, high, low and close, each the result of written()"}
needs: []
returns: VARCHAR[] of four elements; the last is NULL, because the close is trusted
reference: written() is the number that was written. Two prices that differ as written differ by at least one unit of
  the bar's last digit; smaller differences are the noise of floats, and no contradiction
example: "SELECT contradictions([1.5, 1.5, 1.4, 1.6])"
changes:
  - 2026-11-27 first version
--- */
-- A number that was a float is that of the float's shortest text: 0.13 and not 0.12999999523162842. From 2^24 on, a
-- float has no decimals.
CREATE OR REPLACE MACRO written(x) AS CASE
    WHEN x < 16777216 AND TRY_CAST(x AS FLOAT)::DOUBLE = x THEN CAST(CAST(TRY_CAST(x AS FLOAT) AS VARCHAR) AS DOUBLE)
    ELSE x
END;

CREATE OR REPLACE MACRO is_contradictory(p) AS
    coalesce(p[2] < p[4] OR p[3] > p[4] OR p[2] < p[3] OR p[1] > p[2] OR p[1] < p[3], false);

CREATE OR REPLACE MACRO contradictions(p) AS [
    CASE
        -- Against a high or low that is itself no contradiction.
        WHEN p[1] > p[2] AND coalesce(p[2] >= p[4], p[2] >= p[3], true) THEN 'the open is above the high'
        WHEN p[1] < p[3] AND coalesce(p[3] <= p[4], p[2] >= p[3], true) THEN 'the open is below the low'
    END,
    CASE
        WHEN p[2] < p[4] THEN 'the high is below the close'
        WHEN p[4] IS NULL AND p[2] < p[3] THEN 'the high is below the low'
    END,
    CASE
        WHEN p[3] > p[4] THEN 'the low is above the close'
        WHEN p[4] IS NULL AND p[2] < p[3] THEN 'the low is above the high'
    END,
    NULL
];
