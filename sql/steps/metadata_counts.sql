/* ---
name: metadata_counts
title: The numbers of periods, of symbols that are listed now, and of code changes.
status: active
grain: one row
params: {}
needs: [metadata]
returns: periods, listed, code_changes
changes:
  - 2026-11-26 first version; it was part of pipeline/steps/fetch_metadata.py
--- */
SELECT count(*) AS periods, count(*) FILTER (valid_to IS NULL) AS listed, count(renamed_to) AS code_changes
FROM metadata
