"""Write the generated files: `make sql`, `python -m stockstream.sql.generate`."""

from __future__ import annotations

import sys

from stockstream.sql.generate.files import generated
from stockstream.sql.generate.formats import compiled
from stockstream.sql.generate.indicator_pages import edited


def main() -> None:
    """Write the generated files; exit with a message if a released indicator was edited or deleted."""
    if names := edited():
        sys.exit(f"sql/{names[0]}.sql is released and was changed: restore it, and add a new version beside it")
    for path, content in compiled().items():
        path.write_bytes(content)
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
