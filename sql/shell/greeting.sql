/* ---
name: greeting
title: The last part of init.sql prints what the lake contains, in one line.
status: active
needs: [read_raw]
variables: [lake, manifest]
returns: greeting
changes:
  - 2026-11-26 first version; it was part of init.sql
--- */
SELECT CASE
    WHEN len(raw_files()) > 0
    THEN getvariable('lake') || ': ' || len(raw_files()) || ' batch files, the newest of '
        || left(parse_filename(raw_files()[-1]), 10) || '. FROM lake_help() lists the views and macros; '
        || 'after an error about a file: stockstream repair'
    WHEN getvariable('manifest').generation > 0
    THEN getvariable('lake') || ': generation ' || getvariable('manifest').generation
        || ', its batch files archived. FROM lake_help() lists the views and macros.'
    ELSE getvariable('lake') || ' holds no bars: is STOCKSTREAM_LAKE right? `stockstream run` fills a lake.'
END AS greeting;
