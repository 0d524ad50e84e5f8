"""How text of other people (names of companies, symbols, cells, messages of servers) is shown in tables and reports."""

from __future__ import annotations

from stockstream.pipeline.configuration import settings
from stockstream.sql.text import one_line, printable


def shown(text: str) -> str:
    """Return a text as a table or a report shows it: printable, unless STOCKSTREAM_RAW_NAMES is set."""
    return text if settings().raw_names else printable(text)


def shown_cell(text: str) -> str:
    """Return a text as one cell or line of a report shows it: printable and without line ends, or raw as in `shown`."""
    return text if settings().raw_names else one_line(text)
