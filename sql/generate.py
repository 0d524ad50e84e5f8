"""Writes the files that follow from the SQL files and their headers: `make sql`, `python -m stockstream.sql.generate`.

`init.sql` is the script of the plain duckdb shell, `schema/*.parquet` are the stored formats, sql/README.md has the
tables of views, checks, steps and variables and the index of indicators; `indicator_pages.py` has the rest.
"""

from __future__ import annotations

import sys
from pathlib import Path

from stockstream.sql.indicator_catalogue import aliases, catalogue
from stockstream.sql.indicator_pages import edited, index, pages
from stockstream.sql.loader import HOME
from stockstream.sql.schema.compiler import compiled
from stockstream.sql.shell.script import init_script
from stockstream.sql.tables import with_section, with_tables


def generated() -> dict[Path, str]:
    """Return the text that each generated file should have; of the README all of it."""
    readme = HOME / "README.md"
    text = with_tables(readme.read_text(encoding="utf-8"))
    return {
        **pages(),
        readme: with_section(text, "indicators", index()),
        HOME / "init.sql": init_script(aliases(catalogue().newest)),
    }


def main() -> None:
    """Write the generated files; refuse if a released indicator was edited or is gone."""
    if names := edited():
        sys.exit(f"sql/{names[0]}.sql is released and was changed: restore it, and add a new version beside it")
    for path, content in compiled().items():
        path.write_bytes(content)
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
