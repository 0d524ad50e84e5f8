"""Symbols: what can be one, how it is stored, how a text lists several, and which stored symbol a name means."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable

from stockstream.pipeline.errors import UsageError
from stockstream.sql.errors import did_you_mean

MAX_LENGTH = 32


def fault(name: str) -> str | None:
    """Return why a name cannot be a symbol, wherever it comes from; None if it is 1 to 32 printable characters."""
    if not name.strip():
        return "it is empty"
    if not name.isprintable():
        return "it has a character that cannot be printed"
    return f"it has {len(name)} characters, more than {MAX_LENGTH}" if len(name) > MAX_LENGTH else None


def checked(name: str, where: str) -> str:
    """Return a name without blanks around it; `where` opens the message, such as `--symbols`.

    Raises:
        UsageError: it cannot be a symbol.
    """
    name = name.strip()
    if not name:
        raise UsageError(f"{where}: nothing is no symbol; write e.g. BHP,CBA")
    if reason := fault(name):
        raise UsageError(f"{where}: {name if name.isprintable() else repr(name)} is no symbol: {reason}")
    return name


def canonical(name: str) -> str:
    """Return the form in which a symbol is stored: upper case if the name has no capital letter (aapl is AAPL).

    A name with capitals stays as it is, because case can distinguish securities: BCPC is a share, BCpC a preferred one.
    """
    name = name.strip()
    return name if any(character.isupper() for character in name) else name.upper()


def yahoo_code(symbol: str, suffix: str) -> str:
    """Return what Yahoo calls a symbol: an index (^AXJO) and a currency (AUDUSD=X) have names of Yahoo's own.

    Yahoo writes a share class with a hyphen: the exchange's BRK.B is its BRK-B. `suffix` is that of the exchange.
    """
    return symbol if symbol.startswith("^") or "=" in symbol else symbol.replace(".", "-") + suffix


def split_symbols(text: str, where: str) -> tuple[str, ...]:
    """Return the names in a text such as `bhp, CBA`, each once, in their order and letter case.

    Commas separate names. A name may contain blanks; one that contains a comma stands in double quotes, as in CSV.

    Raises:
        UsageError: the text is empty, or one of its parts cannot be a symbol.
    """
    if not text.isprintable():
        return (checked(text, where),)
    fields = next(csv.reader([text], skipinitialspace=True), [])
    names = [checked(field, where) for field in fields if field.strip()]
    return tuple(dict.fromkeys(names)) or (checked("", where),)


def matching(names: Iterable[str], stored: Collection[str], what: str) -> tuple[str, ...]:
    """Return the stored symbol that each name means, each once: the same, else the only one in any letter case.

    `what` is the message about names that are not stored, with `{names}` in their place.

    Raises:
        UsageError: a name means no stored symbol, or differs from several only by its letter case.
    """
    exact = {*stored}
    by_fold: dict[str, list[str]] = {}
    for symbol in exact:
        by_fold.setdefault(symbol.casefold(), []).append(symbol)
    matches: list[str] = []
    unknown: list[str] = []
    for name in names:
        candidates = [name] if name in exact else sorted(by_fold.get(name.casefold(), []))
        if len(candidates) > 1:
            raise UsageError(
                f"{name} may be {' or '.join(candidates)}: write the one that is meant, in its letter case"
            )
        (matches if candidates else unknown).append(candidates[0] if candidates else name)
    if unknown:
        raise UsageError(what.replace("{names}", ", ".join(map(canonical, unknown))) + did_you_mean(unknown[0], exact))
    return tuple(dict.fromkeys(matches))
