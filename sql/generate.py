"""Write the generated files: `python -m stockstream.sql.generate`, or `make sql`."""

from __future__ import annotations

import sys

from stockstream.sql.indicator_pages import edited, generated_pages


def main() -> None:
    """Write the generated files; refuse when a released indicator was edited or is gone."""
    if names := edited():
        sys.exit(f"sql/{names[0]}.sql is released and was changed: restore it, and add a new version beside it")
    for path, text in generated_pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
