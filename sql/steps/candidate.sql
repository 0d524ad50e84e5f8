/* ---
name: candidate
title: The manifest as it will be after the publication of the table that is being checked.
status: active
grain: no rows
params: {}
needs: []
variables: [manifest, consolidated]
sets: [manifest]
returns: the variable manifest, naming the batch files that the table contains as consolidated
reference: bars__silver_against_raw compares silver with the batch files that the manifest names
changes:
  - 2026-11-26 first version
--- */
SET VARIABLE manifest = struct_update(
    getvariable('manifest'), consolidated := getvariable('consolidated')
);
