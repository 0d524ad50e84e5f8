/* ---
name: files__published
title: A file of a silver table that is gone, or has other bytes than were published.
status: active
severity: fail
grain: one row per file
needs: []
variables: [damaged_files]
returns: file, detail
reference: pipeline/checks/published.py compares the size and the SHA-256 of each file with the manifest before this
  check runs, because SQL would hold whole files in memory. In two of three cases a flipped bit reads as another value
fix: "`stockstream repair` shows what can be restored, `stockstream repair --apply` restores it"
changes:
  - 2026-11-27 first version
--- */
SELECT entry.key AS file, entry.value AS detail
FROM (SELECT unnest(map_entries(CAST(getvariable('damaged_files') AS MAP(VARCHAR, VARCHAR)))) AS entry) AS listed
UNION ALL
SELECT NULL, 'the files were not compared with the manifest: `stockstream check` does that'
WHERE getvariable('damaged_files') IS NULL
ORDER BY file;
