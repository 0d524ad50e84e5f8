"""Export an indicator as a query of another engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stockstream.sql.catalogue import Catalogue, Indicator
from stockstream.sql.dialects.expansion import expanded
from stockstream.sql.dialects.functions import Dialect, unknown
from stockstream.sql.dialects.mends import mend
from stockstream.sql.errors import UsageError


class Refused(UsageError):
    """An object cannot be exported to an engine; the message names the function or form that it lacks."""


@dataclass(frozen=True)
class Exported:
    """The text of an object for an engine."""

    name: str
    dialect: Dialect
    src: str
    params: Mapping[str, str]
    sql: str
    """One query, without a semicolon."""


def export(
    catalogue: Catalogue, name: str, dialect: Dialect, *, src: str = "bars_adjusted", params: Mapping[str, str] = {}
) -> Exported:
    """Return an indicator as one query of an engine, over the table `src` of daily bars.

    Args:
        catalogue: the indicators.
        name: of an indicator or of a version of it.
        dialect: the engine.
        src: name of a table or view of that engine, with symbol, date and the columns that the indicator reads.
        params: SQL text by parameter; the others have their defaults.

    Raises:
        UsageError: there is no such indicator or parameter, or a value is not valid.
        Refused: the engine lacks a function that the indicator calls.
    """
    indicator, _ = catalogue.find(name)
    if wrong := sorted(set(params) - set(indicator.params)):
        takes = ", ".join(f"{key}={value}" for key, value in indicator.params.items()) or "no parameters"
        raise UsageError(f"{indicator.name} has no parameter {wrong[0]}: it takes {takes}")
    if not re.fullmatch(r"\w+(\.\w+){0,2}", src):
        raise UsageError(f"the table {src!r} is no plain name: write NAME, SCHEMA.NAME or CATALOGUE.SCHEMA.NAME")
    arguments = {key: str(value) for key, value in indicator.params.items()} | dict(params)
    query = expanded(indicator, arguments, src)
    mend(query, dialect)
    if functions := unknown(query, dialect):
        raise Refused(
            f"{indicator.name} cannot be written for {dialect}: it calls {', '.join(functions)}, which "
            f"{'is' if len(functions) == 1 else 'are'} not known to mean the same there"
        )
    text = query.sql(dialect, pretty=True, comments=False)
    return Exported(indicator.macro, dialect, src, arguments, text)


def refusal(catalogue: Catalogue, indicator: Indicator, dialect: Dialect) -> str | None:
    """Return why an indicator cannot be exported to an engine; None if it can."""
    try:
        export(catalogue, indicator.macro, dialect)
    except Refused as error:
        return str(error)
    return None
