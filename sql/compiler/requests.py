"""Parse requests for columns: `rsi_14`, `macd`, `bollinger_upper_20_2.5`, `sma(20, high + low) AS x`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp

from stockstream.sql.catalogue import Catalogue, Indicator
from stockstream.sql.errors import UsageError
from stockstream.sql.session import quoted

_NUMBERED = re.compile(r"(?P<name>[a-z]\w*?)(?P<numbers>(_\d+(\.\d+)?)*)$", re.ASCII)


@dataclass(frozen=True)
class Request:
    """A requested column: one column of an indicator, with a value for each of its parameters."""

    indicator: Indicator
    arguments: tuple[tuple[str, str], ...]
    """SQL text per parameter, in the order of the macro."""
    column: str
    """The column of the indicator."""
    name: str
    """The column's name in the result."""

    def call(self, src: str) -> str:
        """Return the SQL that calls the indicator's macro on a table."""
        return f"{self.indicator.macro}({', '.join((quoted(src), *(text for _, text in self.arguments)))})"


def benchmarks_of(requests: Iterable[Request]) -> set[str]:
    """Return the symbols whose bars requests need for every symbol: the values of the parameter `benchmark`."""
    texts = {text for request in requests for name, text in request.arguments if name == "benchmark"}
    return {text[1:-1].replace("''", "'") for text in texts}


def parse(texts: Iterable[str], catalogue: Catalogue) -> list[Request]:
    """Return the requested columns; the name of an indicator stands for all of its columns.

    Raises:
        UsageError: a text cannot be parsed, there is no such indicator, or it does not take such parameters.
    """
    requests: dict[str, Request] = {}
    for text in texts:
        for request in _parse_one(text.strip(), catalogue):
            if requests.setdefault(request.name, request) != request:
                raise UsageError(f"two columns would be called {request.name}: name one of them, as in {text} AS other")
    return list(requests.values())


@lru_cache(1024)
def _parse_one(text: str, catalogue: Catalogue) -> list[Request]:
    if numbered := _NUMBERED.match(text.lower()):
        return _requests(text, numbered["name"], _numbers(numbered), [], None, catalogue)
    name = re.match(r"[A-Za-z]\w*", text)
    try:
        # With another name, because sqlglot would parse some indicators' names as functions of its own.
        call = sqlglot.parse_one(re.sub(r"^\w+(?=\s*\()", "request", text), dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        call = None
    alias = call.alias if isinstance(call, exp.Alias) else None
    call = call.unalias() if call is not None else None
    if isinstance(call, exp.Column) and alias and (numbered := _NUMBERED.match(call.name.lower())):
        return _requests(text, numbered["name"], _numbers(numbered), [], alias, catalogue)
    if not isinstance(call, exp.Anonymous) or name is None:
        hint = re.sub(r"[\s-]+", "_", text.lower())
        is_name = hint != text.lower() and _NUMBERED.match(hint)
        raise UsageError(
            f"{text} is not an indicator: "
            + (f"is {hint} meant?" if is_name else "write rsi_14, macd or ema(12, volume)")
        )
    is_number = {part: isinstance(part, exp.Literal) and part.is_number for part in call.expressions}
    numbers = [part.sql() for part in call.expressions if is_number[part]]
    values = [part.sql("duckdb") for part in call.expressions if not is_number[part]]
    return _requests(text, name.group().lower(), numbers, values, alias, catalogue)


def _numbers(numbered: re.Match[str]) -> list[str]:
    return [number for number in numbered["numbers"].split("_") if number]


def _requests(
    text: str, name: str, numbers: list[str], values: list[str], alias: str | None, catalogue: Catalogue
) -> list[Request]:
    indicator, columns = catalogue.find(name)
    if len(numbers) > len(indicator.periods) or len(values) > len(indicator.values):
        parameters = ", ".join(f"{name} = {default}" for name, default in indicator.params.items())
        raise UsageError(f"{text}: {indicator.name} takes {parameters or 'no parameters'}")
    periods = dict(indicator.periods) | dict(zip(indicator.periods, numbers, strict=False))
    expressions = dict(indicator.values) | dict(zip(indicator.values, values, strict=False))
    if not re.fullmatch(r"'.*'", expressions.get("benchmark", "''")):
        raise UsageError(f"{text}: the benchmark is a symbol in quotes, such as {indicator.values['benchmark']}")
    arguments = tuple((parameter, str((periods | expressions)[parameter])) for parameter in indicator.params)
    if alias is not None and len(columns) > 1:
        raise UsageError(f"{text}: {name} has the columns {', '.join(columns)}: request each by its name")
    if any(not re.fullmatch(r"\w+", value) for value in values) and alias is None:
        raise UsageError(f"{text}: the column needs a name: write {text} AS something")
    suffix = "".join(f"_{part}" for part in (*numbers, *values))
    labels = indicator.labels(name)
    return [Request(indicator, arguments, column, alias or f"{labels[column]}{suffix}") for column in columns]
