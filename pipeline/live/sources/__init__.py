"""Sources of live events, one module each, such as `polygon`. See the README beside `live`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from stockstream.pipeline.discovery import class_in
from stockstream.pipeline.live.sources.base import Feed, Plan
from stockstream.sql.errors import UsageError, did_you_mean

__all__ = ["Feed", "Plan", "feeds", "open_feed"]


def feeds() -> dict[str, str]:
    """Return the module per source, by its name on the command line: yahoo-poll is the module yahoo_poll."""
    modules = (module.name for module in iter_modules(import_module(__name__).__path__))
    return {name.replace("_", "-"): f"{__name__}.{name}" for name in modules if name != "base"}


def open_feed(text: str, plan: Plan) -> Feed:
    """Return the source that a text such as `polygon` or `replay:day.jsonl` names.

    Raises:
        UsageError: there is no such source, or it lacks a setting.
    """
    name, _, argument = text.partition(":")
    if name not in feeds():
        raise UsageError(f"no live source {name}: there are {', '.join(feeds())}{did_you_mean(name, feeds())}")
    return class_in(feeds()[name], Feed).open(argument, plan)  # type: ignore[type-abstract]
