"""Text of other people (names, messages, cells) as it can be shown without harm.

Names of companies and symbols come from files and from the network. A terminal executes escape sequences, reorders
text with bidirectional marks; a spreadsheet evaluates a cell that begins like a formula.
"""

from __future__ import annotations

import re

_C0 = "\x00-\x08\x0b-\x1f\x7f"
_MARKS = "\x80-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
"""C1 controls, bidirectional and invisible marks, and line separators."""
_CONTROL = re.compile(f"[{_C0}{_MARKS}\ud800-\udfff\U000e0000-\U000e007f]")
FORMULA = r"^[=+\-@\t\r\n\x{FF0B}\x{FF0D}\x{FF1D}\x{FF20}]"
"""What a cell begins with that a spreadsheet evaluates, as a regular expression of DuckDB (RE2)."""
_FORMULA = re.compile(FORMULA.replace(r"\x{", r"\u").replace("}", ""))


def printable(text: str) -> str:
    """Return a text with its control characters, bidirectional and invisible marks as escapes such as `\\x1b`.

    Line ends and tabs stay.
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """Return a printable text with blanks instead of its line ends and tabs."""
    return printable(" ".join(text.split()))


def without_formula(text: str) -> str:
    """Return the text of a cell of a CSV file, with an apostrophe before what a spreadsheet would evaluate."""
    return f"'{text}" if _FORMULA.match(text) else text
