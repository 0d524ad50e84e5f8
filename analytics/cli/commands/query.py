"""`stockstream query`: runs an SQL query on a lake."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import duckdb
import typer
from duckdb import ExpectedResultType, Statement

from stockstream.analytics.cli.options import AsOfOption, JsonOption, LakeOption, lake_uri
from stockstream.analytics.cli.output import FormatOption, OutputOption, RawNamesOption, result_format, show
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.session import open_lake
from stockstream.sql.errors import StockStreamError, UsageError
from stockstream.sql.session import explain


class QueryError(StockStreamError):
    """The SQL is wrong, or its result cannot be computed."""


@command("query", Panel.QUERY, 10)
def query_command(
    sql: Annotated[str, typer.Argument(help="SQL text, the name of a .sql file, or - for standard input.")],
    lake: LakeOption = None,
    as_of: AsOfOption = None,
    format: FormatOption = None,
    as_json: JsonOption = False,
    output: OutputOption = None,
    raw_names: RawNamesOption = False,
) -> None:
    """Run one SQL text on a lake; `FROM lake_help()` lists the views.

    Example: stockstream query "SELECT symbol, max(date) FROM bars GROUP BY symbol" --format csv
    """
    chosen = result_format(format, as_json, output)
    text = _text(sql)
    if not text.strip():
        raise UsageError("the query is empty: write SQL, such as FROM bars")
    uri = lake_uri(lake)
    with open_lake(uri, as_of=as_of) as con:
        try:
            _require_one_result(con.extract_statements(text))
            result = con.sql(text)
            if result is not None:
                show(con, result, chosen, output, raw_names)
            elif output is not None:  # a statement without rows, such as COPY
                raise UsageError(f"the statement returns no rows: nothing was written to {output}")
        except duckdb.Error as error:
            # The SQL may read or write other files (COPY ... TO): their errors are not reported as errors of the lake.
            of_lake = isinstance(error, duckdb.HTTPException | duckdb.IOException) and uri in str(error)
            raise (explain(error, uri) if of_lake else QueryError(str(error))) from None


def _require_one_result(statements: Sequence[Statement]) -> None:
    """Check that no rows would be left out: only the last of several statements is printed.

    Raises:
        UsageError: there is no statement, or one before the last returns rows.
    """
    if not statements:
        raise UsageError("the query has comments only: write SQL, such as FROM bars")
    for number, statement in enumerate(statements[:-1], 1):
        if statement.expected_result_type == [ExpectedResultType.QUERY_RESULT]:
            raise UsageError(
                f"statement {number} of {len(statements)} returns rows, and only the last one may: run one query per "
                "command, or join them with UNION ALL"
            )


def _text(sql: str) -> str:
    if sql == "-" or sql.endswith(".sql"):
        try:
            if sql == "-":
                return sys.stdin.read()
            return Path(sql).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read {sql}: {getattr(error, 'strerror', None) or error}") from None
    return sql
