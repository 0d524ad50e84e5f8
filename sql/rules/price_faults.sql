/* ---
name: price_faults
title: Why each price of a bar cannot be; NULL if no price is suspect.
status: active
grain: a scalar
params: {open: DOUBLE, high: DOUBLE, low: DOUBLE, close: DOUBLE}
needs: [rules/number_faults, rules/contradictions]
returns: VARCHAR[] of four elements, of open, high, low and close
reference: a price that is not above 0 or not finite; a filler, such as 99999 or 2147483647, which programs write for
  "none", unless the bar has another price of its size and is free of contradictions; then the contradictions of what
  remains. A bar whose faulty prices are NULL has no faults, so that judging twice changes nothing
example: SELECT price_faults(0.0, 0.0, 0.0, 1.55)
changes:
  - 2026-11-27 first version
--- */
-- The cheap test: most bars fail all of these comparisons, and nothing else is computed. NaN is above every number.
CREATE OR REPLACE MACRO is_suspect(open, high, low, close) AS coalesce(
    low <= 0 OR low > open OR low > close OR low > high OR high < open OR high < close OR high >= 99999
    OR open <= 0 OR open >= 99999 OR close <= 0 OR close >= 99999 OR high <= 0 OR low >= 99999, false
);

-- The numbers 2^31 and 2^32 are the floats next to the largest integers.
CREATE OR REPLACE MACRO is_filler(x) AS x >= 99999 AND (
    regexp_full_match(CAST(x AS VARCHAR), '9{5,}(\.(0|9+))?') OR x >= 3.4028234e38
    OR x IN (2147483647, 2147483648, 4294967295, 4294967296, 9223372036854775807::DOUBLE, 18446744073709551615::DOUBLE)
);

-- DuckDB has no local names in an expression: the lambdas here name an intermediate result that is used several times.
CREATE OR REPLACE MACRO faults_with_fillers(p) AS list_transform(
    [list_transform(p, lambda x: is_filler(x) AND (
        is_contradictory(p) OR len(list_filter(p, lambda y: x < 10 * y AND y < 10 * x AND NOT is_filler(y))) = 0
    ))],
    lambda fillers: list_transform(
        [list_transform(p, lambda x, i: CASE WHEN NOT fillers[i] THEN x END)],
        lambda rest: list_transform(contradictions(rest), lambda fault, i: CASE
            WHEN fillers[i] THEN 'a number that stands for none' ELSE fault
        END)
    )[1]
)[1];

CREATE OR REPLACE MACRO price_faults(open, high, low, close) AS CASE WHEN is_suspect(open, high, low, close) THEN
    list_transform(
        [list_transform([open, high, low, close], lambda x: CASE WHEN x > 0 AND isfinite(x) THEN written(x) END)],
        lambda p: list_transform(
            CASE WHEN list_max(p) >= 99999 THEN faults_with_fillers(p) ELSE contradictions(p) END,
            lambda fault, i: coalesce(price_fault([open, high, low, close][i]), fault)
        )
    )[1]
END;
