"""Where bars come from: one module per source, discovered by its file name and imported only when it is opened.

Installed packages add sources with entry points of the group `stockstream.sources`.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.discovery import class_in
from stockstream.pipeline.markets import Market
from stockstream.pipeline.sources.base import Answer, Source, Window
from stockstream.sql.errors import UsageError, did_you_mean
from stockstream.sql.extras import EXTRAS, require
from stockstream.sql.plugins import entry_points, installed

__all__ = ["HELP", "SUMMARIES", "Answer", "Source", "Window", "open_source", "preload", "source_class"]

_FIRST_LINE = re.compile(r'"""`(?P<syntax>[a-z0-9_]+(:[A-Z]+)?)`: (?P<summary>.+)$')


def _summaries() -> Iterator[tuple[str, str]]:
    """Yield what is written after `--source`, and a summary, from the first line of each source's module.

    The line is read, not the module imported: yfinance alone would take a second of every `--help`.
    """
    for module in pkgutil.iter_modules(__path__):
        with (Path(__path__[0]) / f"{module.name}.py").open(encoding="utf-8") as file:
            if match := _FIRST_LINE.match(file.readline()):
                yield match["syntax"], match["summary"].rstrip('".\n')


SUMMARIES: dict[str, str] = dict(_summaries())
"""Summary of each built-in source by what is written after `--source`, such as `files:PATH`."""
ADDED: dict[str, str] = {plugin.name: f"of the package {plugin.package}" for plugin in installed("sources")}
"""The same of those of other packages."""
NAMES = ", ".join([*SUMMARIES, *ADDED])
_BUILTIN = [syntax.partition(":")[0] for syntax in SUMMARIES]
HELP = "Where bars come from. " + " ".join(
    f"{syntax}: {summary}." for syntax, summary in {**SUMMARIES, **ADDED}.items()
)


def open_source(name: str, market: Market, settings: Settings, **options: Any) -> Source:
    """Open a source by what was written after `--source`; `options` are those of the command line for this source.

    Raises:
        UsageError: there is no such source, it does not serve this market, or it lacks a setting.
    """
    kind, _, argument = name.partition(":")
    source = source_class(kind)
    if source.markets is not None and market.name not in source.markets:
        markets = " or ".join(source.markets)
        raise UsageError(f"--source {kind} has the {markets} market only: use --market {source.markets[0]}")
    return source.open(argument, market, settings, **options)


def source_class(name: str) -> type[Source]:
    """Import the module of a source and return its class.

    Raises:
        UsageError: there is no such source, or that of another package cannot be used, or has the name of another; or
            the extra of its name is not installed.
    """
    added = entry_points("sources", _BUILTIN)
    if name in added:
        source = added[name].load(Source)  # type: ignore[type-abstract]
        if source.name != name:  # the name is stored with every row
            raise UsageError(f"{added[name]}: its class has the name {source.name}")
        return source
    if name not in _BUILTIN:
        raise UsageError(f"no source {name}: there are {NAMES}{did_you_mean(name, [*_BUILTIN, *added])}")
    require(*(module for module, extra in EXTRAS.items() if extra == name), by=f"--source {name}")
    return class_in(f"{__name__}.{name}", Source)  # type: ignore[type-abstract]


def preload(name: str) -> None:
    """Import a source and its libraries before it is needed; do nothing for a name that `open_source` would refuse."""
    if name in SUMMARIES:
        source_class(name)
