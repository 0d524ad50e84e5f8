"""SQL of callers on a serving file: a connection that can read the file and nothing else, and the queries that it takes.

DuckDB's own locks (read-only, no files, no extensions, settings locked) leave functions that a SELECT may call, such as
one that opens another server, or one that runs SQL in a text. So a query is parsed first (DuckDB does it, as JSON): it
is one SELECT, and its table functions are those of the file or of a short list. It then runs inside another SELECT,
which ends with an error after the limit of rows, so that no answer is cut silently.

The two rules are macros in a database `gate` beside the file, as DuckDB's Quack server asks a function by its name.
A time limit is the caller's: no setting of DuckDB interrupts a query.
"""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql.errors import UsageError
from stockstream.sql.session.catalogue_file import CONFIG
from stockstream.sql.variables import quoted

MAX_ROWS = 1_000_000
MEMORY_MB = 200
SPARE_MB = 500
"""Memory of the process beside that of DuckDB's limit: the program, buffers, one answer."""
TABLE_FUNCTIONS = (
    "duckdb_columns",
    "duckdb_functions",
    "duckdb_tables",
    "duckdb_views",
    "generate_series",
    "json_each",
    "range",
    "unnest",
)
"""The table functions of DuckDB that a query may call beside the macros of the file."""
REFUSED = r"^(quack_.*|getenv|current_setting|write_log|json_serialize_plan|json_execute_.*)$"
"""Scalar functions that no query may call."""
INTERNAL = r"^(duckdb_|pg_|pragma_)"
"""Views of DuckDB, which show paths and settings."""

_REFUSAL = """
CREATE MACRO refusal(sql) AS (
    SELECT CASE
        WHEN ast ->> 'error_type' = 'parser' THEN ast ->> 'error_message'
        WHEN ast ->> 'error' = 'true' OR json_array_length(ast, '$.statements') <> 1
            THEN 'one SELECT (or FROM, WITH, VALUES, DESCRIBE, SHOW) at a time: this server changes nothing'
        ELSE (
            SELECT min(name) || ': this server does not have it'
            FROM (
                SELECT unnest(tables) AS name, false AS is_scalar
                UNION ALL SELECT unnest(functions), true
                UNION ALL SELECT unnest(list_filter(views, lambda v: regexp_matches(lower(v), {internal}))), false
            )
            WHERE
                CASE WHEN is_scalar THEN regexp_matches(lower(name), {refused}) ELSE NOT lower(name) IN {allowed} END
        )
    END
    FROM (
        SELECT
            ast,
            CAST(json_extract_string(ast, '$..function.function_name') AS VARCHAR[]) AS tables,
            CAST(json_extract_string(ast, '$..function_name') AS VARCHAR[]) AS functions,
            CAST(json_extract_string(ast, '$..table_name') AS VARCHAR[]) AS views
        FROM (SELECT CAST(json_serialize_sql(CAST(sql AS VARCHAR)) AS JSON) AS ast)
    )
);
"""
_LIMITED = """
CREATE MACRO limited(sql) AS
    'SELECT * FROM (' || chr(10) || rtrim(sql, E'; \\t\\r\\n') || chr(10) || {after};
"""
_AFTER = """) QUALIFY CASE WHEN row_number() OVER () <= {rows} THEN true
ELSE error('more than {rows:,} rows: add a LIMIT or a WHERE') END"""


def open_locked(file: Path, rows: int = MAX_ROWS, macros: str = "", setup: str = "") -> DuckDBPyConnection:
    """Return a connection on a serving file that reads nothing else, with the database `gate`.

    `macros` are created in `gate`, beside `refusal` and `limited`; `setup` runs before the settings are locked.
    """
    config = {**CONFIG, "autoload_known_extensions": False, "threads": 1, "memory_limit": f"{MEMORY_MB}MB"}
    con = duckdb.connect(str(file), read_only=True, config=config)
    con.execute("SET temp_directory = ''")
    own = con.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE NOT internal").fetchall()
    allowed = f"({', '.join(quoted(name) for name in sorted({*TABLE_FUNCTIONS, *(row[0] for row in own)}))})"
    refusal = _REFUSAL.format(internal=quoted(INTERNAL), refused=quoted(REFUSED), allowed=allowed)
    limited = _LIMITED.format(after=quoted(_AFTER.format(rows=rows)))
    with tempfile.TemporaryDirectory() as folder:  # which an open file does not need
        path = f"{folder}/gate.duckdb"
        with duckdb.connect(path, config=CONFIG) as gate:
            gate.execute(refusal + limited + macros)
        con.execute(f"ATTACH {quoted(path)} AS gate (READ_ONLY)")
    con.execute(setup)
    con.execute("SET enable_external_access = false; SET lock_configuration = true")
    return con


def admitted(con: DuckDBPyConnection, sql: str) -> str:
    """Return the SQL to run in place of a caller's.

    Raises:
        UsageError: it is not one SELECT, or asks for what the lock-down leaves out.
    """
    [(reason, limited)] = con.execute("SELECT gate.main.refusal($sql), gate.main.limited($sql)", {"sql": sql}).fetchall()
    if reason is not None:
        raise UsageError(reason)
    return str(limited)


def limit_memory() -> None:
    """Limit the memory of this process, as strings are not counted in DuckDB's limit: `repeat('x', 4000000000)`."""
    size = (MEMORY_MB + SPARE_MB) << 20
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
