"""What `make sql` writes, and what it should contain.

`init.sql` is the script of the plain duckdb shell, `schema/*.parquet` are the stored formats, sql/README.md has the
tables of views, checks, steps and variables and the index of indicators; `indicator_pages.py` has the rest.
"""

from __future__ import annotations

from pathlib import Path

from stockstream.sql.catalogue import aliases, catalogue
from stockstream.sql.generate.indicator_pages import index, pages
from stockstream.sql.generate.shell_script import init_script
from stockstream.sql.generate.tables import with_section, with_tables
from stockstream.sql.loader import HOME


def generated() -> dict[Path, str]:
    """Return the text that each generated file should have; of the README all of it."""
    readme = HOME / "README.md"
    text = with_tables(readme.read_text(encoding="utf-8"))
    return {
        **pages(),
        readme: with_section(text, "indicators", index()),
        HOME / "init.sql": init_script(aliases(catalogue().newest)),
    }
