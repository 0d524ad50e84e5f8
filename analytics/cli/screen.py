"""Text for people on the standard streams: data are printed as they are, without markup, emoji codes and escapes."""

from __future__ import annotations

import logging
from typing import Any

from rich.console import Console
from rich.text import Text

from stockstream.pipeline.display import shown


class Screen(Console):
    """A console of rich for data: `:x:` and `[bold]` are text, control characters are shown as `\\x1b`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, "soft_wrap": True} | options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as rich shows it, which calls this for whatever it prints, also for the cells of tables."""
        return super().render_str(shown(text), **options)


class PrintableFormatter(logging.Formatter):
    """Log records for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return shown(super().format(record))
