/* ---
name: quarantine
title: "Every value that came and is not used: text that could not be read, and numbers that cannot be."
status: active
grain: one row per value
needs: [raw_bars, latest_bars, silver_bars, rules/number_faults, rules/price_faults]
variables: [quarantine_files, generation, manifest]
returns: the columns of schema/quarantine.sql
reference: the values in quarantine/, and the numbers in raw-data and the archive that read_raw leaves out; `file` and
  `line` of these are the batch file and the row in it. A value disappears when a later fetch replaces its row
example: SELECT column_name, reason, count(*) FROM quarantine GROUP BY column_name, reason
changes:
  - 2026-11-27 first version
--- */
CREATE OR REPLACE VIEW quarantine AS
WITH suspect AS (
    SELECT
        symbol, date, open, high, low, close, volume, adjusted_close, dividend, split_ratio,
        source, file, file_row, fetch_timestamp, price_faults(open, high, low, close) AS faults
    FROM raw_bars
    WHERE is_suspect(open, high, low, close) OR volume_fault(volume) IS NOT NULL
        OR price_fault(adjusted_close) IS NOT NULL OR dividend_fault(dividend) IS NOT NULL
        OR split_ratio_fault(split_ratio) IS NOT NULL
),
numbers AS (
    SELECT symbol, date, source, file, file_row, fetch_timestamp, unnest([
        {name: 'open', text: CAST(open AS VARCHAR), reason: faults[1]},
        {name: 'high', text: CAST(high AS VARCHAR), reason: faults[2]},
        {name: 'low', text: CAST(low AS VARCHAR), reason: faults[3]},
        {name: 'close', text: CAST(close AS VARCHAR), reason: faults[4]},
        {name: 'volume', text: CAST(volume AS VARCHAR), reason: volume_fault(volume)},
        {name: 'adjusted_close', text: CAST(adjusted_close AS VARCHAR), reason: price_fault(adjusted_close)},
        {name: 'dividend', text: CAST(dividend AS VARCHAR), reason: dividend_fault(dividend)},
        {name: 'split_ratio', text: CAST(split_ratio AS VARCHAR), reason: split_ratio_fault(split_ratio)}
    ]) AS cell
    FROM suspect
),
quarantined AS (
    SELECT symbol, date, cell.name AS column_name, cell.text, cell.reason, source, file, file_row + 1 AS line,
        fetch_timestamp
    FROM numbers
    WHERE cell.reason IS NOT NULL
    UNION ALL
    SELECT symbol, date, column_name, text, reason, source, file, line, fetch_timestamp
    FROM read_parquet(list_concat([schema_file('quarantine')], getvariable('quarantine_files')))
    -- A requested generation is read as it was published.
    WHERE getvariable('generation') IS NULL OR fetch_timestamp <= getvariable('manifest').created_at
)
SELECT q.symbol, q.date, q.column_name, q.text, q.reason, q.source, q.file, q.line, q.fetch_timestamp
FROM quarantined AS q
ANTI JOIN latest_bars AS later
    ON later.symbol = q.symbol AND later.date = q.date AND later.fetch_timestamp > q.fetch_timestamp;
