"""What DuckDB's catalogue says about each object and column: COMMENT statements, from the headers of the SQL files.

The comment of an object is its title, followed by a line each for its price basis, an example, a formula and, of a
macro, its columns, which DuckDB does not list: `lake_help()` takes these lines apart. The comment of a view's column is
its meaning with its unit, which `duckdb_columns()` lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from stockstream.sql.loader import HOME, SqlFile, load
from stockstream.sql.variables import quoted

BASES: Mapping[str, tuple[str, str]] = {
    "as stored": (" with the splits up to price_basis",) * 2,
    "as traded": (" as traded on its day",) * 2,
    "split-adjusted": (" of today (split-adjusted)",) * 2,
    "fully adjusted": (" adjusted for splits and dividends", " of today (split-adjusted)"),
    "of the input": (" with the basis of the input",) * 2,
}
"""By `prices` of a header: what follows the units `money per share` and `shares` in the meanings of its columns."""
_RETURNED = re.compile(
    r"the columns of (?P<source>(?:schema/)?\w+)(?:\.sql)?"
    r"|\b(?!(?:and|then)\b)(?P<column>\w+)(?:\s*\((?P<text>[^()]*)\))?"
)
_STORED = re.compile(r'^ +"?(?P<column>\w+)"? +[A-Z]+,? *(?:-- (?P<text>.*))?$|^ +-- (?P<more>.*)$', re.MULTILINE)


def comments(file: SqlFile) -> str:
    """Return the statements that document the objects of a view's file.

    Raises:
        ValueError: a column has no meaning in the header, in the views that it needs and in `schema/raw.sql`.
    """
    header, meanings = file.header, columns(file.path.relative_to(HOME).with_suffix("").as_posix())
    if missing := [name for name, text in meanings.items() if not text]:
        raise ValueError(f"{file.path}: `returns` does not explain {missing[0]}: write {missing[0]} (meaning, unit)")
    prices = header.get("prices")
    described = {name: _with_basis(text, prices) if prices else text for name, text in meanings.items()}
    is_macro = "params" in header
    kind, example = "MACRO TABLE" if is_macro else "VIEW", header["example"]
    titles = {header["name"]: (kind, header["title"], example, described if is_macro else {})}
    titles |= {name: ("VIEW", title, f"FROM {name}", {}) for name, title in header.get("makes", {}).items()}
    statements = [
        f"COMMENT ON {kind} {name} IS {quoted(comment(title, prices, example, lines))};\n"
        for name, (kind, title, example, lines) in titles.items()
    ]
    statements += [
        f'COMMENT ON COLUMN {name}."{column}" IS {quoted(text)};\n'
        for name, (kind, *_) in titles.items()
        if kind == "VIEW"
        for column, text in described.items()
    ]
    return "".join(statements)


def comment(
    title: str, prices: str | None, example: str, described: Mapping[str, str], *, formula: str | None = None
) -> str:
    """Return the comment of an object; `described` are the columns of a macro's result with their meanings."""
    facts = {"Prices": prices, "Example": example, "Formula": formula}
    lines = [f"{name}: {' '.join(text.split())}" for name, text in facts.items() if text]
    return "\n".join([title, *lines, *(f"- {name}: {' '.join(text.split())}" for name, text in described.items())])


@cache
def columns(name: str) -> dict[str, str]:
    """Return the meaning of each column that the file of a view or of a table of `schema/` returns; empty: unknown.

    `name` is as for `load`. A column without an explanation means what it means in the first of the views in `needs`
    that has such a column, otherwise in `schema/raw.sql`.
    """
    if name.startswith("schema/"):
        return _stored(name)
    header = load(name).header
    inherited = dict(_stored("schema/raw"))
    for need in reversed(header["needs"]):
        if (HOME / f"views/{need}.sql").exists():
            inherited |= columns(f"views/{need}")
    meanings: dict[str, str] = {}
    for part in _RETURNED.finditer(header["returns"]):
        if source := part["source"]:
            meanings |= columns(source if source.startswith("schema/") else f"views/{source}")
        else:
            meanings[part["column"]] = part["text"] or inherited.get(part["column"], "")
    return meanings


@cache
def _stored(name: str) -> dict[str, str]:
    """Return the meanings of the columns of a table of `schema/`: the comments of its definition.

    A column without a comment means what it means in `schema/raw.sql`.
    """
    meanings: dict[str, str] = {}
    for line in _STORED.finditer(load(name).body):
        if line["column"]:
            meanings[line["column"]] = line["text"] or ""
        elif meanings:
            meanings[next(reversed(meanings))] += f" {line['more']}"
    return (
        meanings
        if name == "schema/raw"
        else {key: text or _stored("schema/raw").get(key, "") for key, text in meanings.items()}
    )


def _with_basis(text: str, prices: str) -> str:
    """Return a meaning with the price basis, if its unit is money per share or shares."""
    of_money, of_shares = BASES[prices]
    return re.sub("^shares", rf"\g<0>{of_shares}", re.sub("money per share", rf"\g<0>{of_money}", text, count=1))
