/* ---
name: complete_files
title: The batch files in which every row is a bar, so that no row is lost when the file is archived or removed.
status: active
grain: one row per file
params: {}
needs: [read_raw]
returns: file
changes:
  - 2026-11-26 first version; it was part of pipeline/steps/vacuum.py
--- */
SELECT footer.file_name AS file
FROM parquet_file_metadata(raw_files()) AS footer
JOIN (SELECT file, count(*) AS bars FROM read_raw(raw_files()) GROUP BY file) AS content
    ON content.file = footer.file_name AND content.bars = footer.num_rows
ORDER BY footer.file_name
