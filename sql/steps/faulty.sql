/* ---
name: faulty
title: The values of a source's answer that are not used, for the days that were requested.
status: active
grain: one row per value
params: {}
needs: [steps/accept, rules/number_faults, rules/price_faults]
tables:
  cells: "symbol VARCHAR, date DATE, column_name VARCHAR, text VARCHAR, reason VARCHAR, file VARCHAR, line BIGINT"
makes:
  faulty: symbol, date, column_name, text, reason, file, line, is_loss
returns: temp table faulty; is_loss if something that was there is not stored, which a 0 that means none is not
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE TEMP TABLE faulty AS
WITH numbers AS (
    SELECT symbol, date, file, line, unnest([
        {name: 'open', text: CAST(open AS VARCHAR), reason: faults[1]},
        {name: 'high', text: CAST(high AS VARCHAR), reason: faults[2]},
        {name: 'low', text: CAST(low AS VARCHAR), reason: faults[3]},
        {name: 'close', text: CAST(close AS VARCHAR), reason: faults[4]},
        {name: 'volume', text: CAST(volume AS VARCHAR), reason: volume_fault(volume)},
        {name: 'adjusted_close', text: CAST(adjusted_close AS VARCHAR), reason: price_fault(adjusted_close)},
        {name: 'dividend', text: CAST(dividend AS VARCHAR), reason: dividend_fault(dividend)},
        {name: 'split_ratio', text: CAST(split_ratio AS VARCHAR), reason: split_ratio_fault(split_ratio)}
    ]) AS cell
    FROM (
        SELECT
            symbol, date, file, line, open, high, low, close, volume, adjusted_close, dividend, split_ratio, faults
        FROM arrived
        UNION ALL
        SELECT
            symbol, date, file, line, open, high, low, close, volume, adjusted_close, dividend, split_ratio,
            price_faults(open, high, low, close)
        FROM repeated
    ) AS judged
    WHERE faults IS NOT NULL OR volume_fault(volume) IS NOT NULL OR price_fault(adjusted_close) IS NOT NULL
        OR dividend_fault(dividend) IS NOT NULL OR split_ratio_fault(split_ratio) IS NOT NULL
),
differing AS (
    SELECT symbol, date, file, line, unnest([
        {name: 'open', text: CASE WHEN is_bar THEN CAST(open AS VARCHAR) END},
        {name: 'high', text: CASE WHEN is_bar THEN CAST(high AS VARCHAR) END},
        {name: 'low', text: CASE WHEN is_bar THEN CAST(low AS VARCHAR) END},
        {name: 'close', text: CASE WHEN is_bar THEN CAST(close AS VARCHAR) END},
        {name: 'volume', text: CASE WHEN is_bar THEN CAST(volume AS VARCHAR) END},
        {name: 'adjusted_close', text: CASE WHEN is_bar THEN CAST(adjusted_close AS VARCHAR) END},
        {name: 'dividend', text: CAST(nullif(dividend, 0) AS VARCHAR)},
        {name: 'split_ratio', text: CAST(nullif(split_ratio, 1) AS VARCHAR)}
    ]) AS cell
    FROM several
)
SELECT
    n.symbol, n.date, n.cell.name AS column_name, n.cell.text, n.cell.reason, min(n.file) AS file, min(n.line) AS line,
    n.cell.name = 'close' AND bool_and(a.close IS NULL) AS is_loss
FROM numbers AS n
JOIN accepted AS a ON a.symbol = n.symbol AND a.date = n.date
WHERE n.cell.reason IS NOT NULL
GROUP BY n.symbol, n.date, n.cell.name, n.cell.text, n.cell.reason
UNION ALL
SELECT
    symbol, date, cell.name, string_agg(DISTINCT cell.text, '; ' ORDER BY cell.text),
    format('{} rows of this day differ', count(cell.text)), min(file), min(line), true
FROM differing
WHERE cell.text IS NOT NULL
GROUP BY symbol, date, cell.name
HAVING count(DISTINCT cell.text) > 1
UNION ALL
SELECT c.symbol, c.date, c.column_name, c.text, c.reason, c.file, c.line, true
FROM cells AS c
LEFT JOIN windows AS w ON w.symbol = c.symbol
WHERE c.symbol IS NULL OR (
    w.symbol IS NOT NULL AND (c.date IS NULL OR (c.date >= w.start_date AND c.date <= w.end_date))
);
