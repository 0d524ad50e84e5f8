"""The text files that `make sql` writes, with their content.

They are `init.sql` (the script of the plain duckdb shell), the tables of `sql/README.md`, and the files that
`indicator_pages.py` generates. `formats.py` generates the binary ones, `schema/*.parquet`.
"""

from __future__ import annotations

from pathlib import Path

from stockstream.sql.catalogue import aliases, shipped
from stockstream.sql.generate.indicator_pages import index, pages
from stockstream.sql.generate.shell_script import init_script
from stockstream.sql.generate.tables import with_section, with_tables
from stockstream.sql.loader import HOME


def generated() -> dict[Path, str]:
    """Return the text of each generated file by path; for `sql/README.md`, the whole page with its new tables."""
    readme = HOME / "README.md"
    text = with_tables(readme.read_text(encoding="utf-8"))
    return {
        **pages(),
        readme: with_section(text, "indicators", index()),
        HOME / "init.sql": init_script(aliases(shipped().newest)),
    }
