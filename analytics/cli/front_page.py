"""The page of `stockstream --help`: the boxes that rich draws for a single command, without importing it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MIN_WIDTH = 60
ASCII = str.maketrans("╭╮╰╯─│", "++++-|")
"""The lines of a box, for a stream that lacks them."""


@dataclass(frozen=True)
class Box:
    """A box of the page: its title, and rows of a name and a text."""

    title: str
    rows: Sequence[tuple[str, str]]


def help_page(usage: str, text: str, boxes: Sequence[Box], end: str) -> str:
    """Return the page, in the width of the terminal."""
    width = max(MIN_WIDTH, shutil.get_terminal_size().columns)
    parts = [f"Usage: {usage}", "", *textwrap.wrap(" ".join(text.split()), width - 2), ""]
    lines = ["", *(f" {part}".rstrip() for part in parts)]
    for box in boxes:
        lines += _lines(box, width)
    lines += ["", *(f" {part}" for part in textwrap.wrap(end, width - 2)), ""]
    page = "\n".join(lines) + "\n"
    return page if _has_lines(sys.stdout.encoding) else page.translate(ASCII)


def _lines(box: Box, width: int) -> Iterator[str]:
    inside = width - 4
    names = max(len(name) for name, _ in box.rows)
    yield f"╭─ {box.title} {'─' * (width - len(box.title) - 5)}╮"
    for name, text in box.rows:
        for number, part in enumerate(textwrap.wrap(text, inside - names - 2) or [""]):
            yield f"│ {'' if number else name:{names}}  {part:{inside - names - 2}} │"
    yield f"╰{'─' * (width - 2)}╯"


def _has_lines(encoding: str) -> bool:
    try:
        return bool("╭│".encode(encoding))
    except UnicodeEncodeError:
        return False
