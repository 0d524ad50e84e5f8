/* ---
name: number_faults
title: Why a single number of a row cannot be; NULL if it can.
status: active
grain: a scalar
params: {x: a value of the column}
needs: []
returns: VARCHAR
reference: the only definition, with price_faults.sql, of what cannot be. NaN and NULL mean that there is no number
example: SELECT volume_fault(-1)
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE MACRO price_fault(x) AS CASE
    WHEN x <= 0 THEN 'not above 0'
    WHEN isinf(x) THEN 'not a finite number'
END;

CREATE OR REPLACE MACRO volume_fault(x) AS CASE
    WHEN x < 0 THEN 'below 0'
    WHEN x IN (2147483647, 4294967295, 9223372036854775807) THEN 'a number that stands for none'
END;

CREATE OR REPLACE MACRO dividend_fault(x) AS CASE
    WHEN x < 0 THEN 'below 0'
    WHEN isinf(x) THEN 'not a finite number'
END;

CREATE OR REPLACE MACRO split_ratio_fault(x) AS CASE
    WHEN x <= 0 THEN 'not above 0'
    WHEN isinf(x) THEN 'not a finite number'
END;
