"""SQL of callers on a serving file: a connection that reads the file and nothing else, and the queries that it takes.

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
CREATE MACRO parsed_refusal(ast) AS CASE
    WHEN ast ->> '$.error_type' = 'parser' THEN ast ->> '$.error_message'
    WHEN ast ->> '$.error' = 'true' OR json_array_length(ast, '$.statements') <> 1
        THEN 'one SELECT (or FROM, WITH, VALUES, DESCRIBE, SHOW) at a time: this server changes nothing'
    ELSE list_concat(
        list_filter(
            json_extract_string(ast, '$..function.function_name'),
            lambda name: NOT contains({allowed}, '|' || lower(name) || '|')
        ),
        list_filter(json_extract_string(ast, '$..function_name'), lambda name: regexp_matches(lower(name), {refused})),
        list_filter(json_extract_string(ast, '$..table_name'), lambda name: regexp_matches(lower(name), {internal}))
    )[1] || ': this server does not have it'
END;
CREATE MACRO refusal(sql) AS
    list_transform([json_serialize_sql(CAST(sql AS VARCHAR))], lambda ast: gate.main.parsed_refusal(ast))[1];
"""
"""The reason why a query is not run; NULL: it is. DuckDB parses it once, as it is the element of a list."""
_LIMITED = """
CREATE MACRO limited(sql) AS
    'SELECT * FROM (' || chr(10) || rtrim(sql, E'; \\t\\r\\n') || chr(10) || {after};
"""
_AFTER = """) QUALIFY CASE WHEN row_number() OVER () <= {rows} THEN true
ELSE error('more than {rows:,} rows: the query needs a WHERE or a LIMIT') END"""


def open_locked(file: Path, rows: int = MAX_ROWS, macros: str = "", setup: str = "") -> DuckDBPyConnection:
    """Return a connection on a serving file that reads nothing else, with the database `gate`.

    `macros` are created in `gate`, beside `refusal` and `limited`; `setup` runs before the settings are locked.
    """
    config = {**CONFIG, "autoload_known_extensions": False, "threads": 1, "memory_limit": f"{MEMORY_MB}MB"}
    con = duckdb.connect(str(file), read_only=True, config=config)
    con.execute("SET temp_directory = ''")
    macros_of_file = con.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE NOT internal").fetchall()
    allowed = f"|{'|'.join(sorted({*TABLE_FUNCTIONS, *(name for (name,) in macros_of_file)}))}|"
    refusal = _REFUSAL.format(allowed=quoted(allowed), refused=quoted(REFUSED), internal=quoted(INTERNAL))
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
    [(reason, limited)] = con.execute(
        "SELECT gate.main.refusal($sql), gate.main.limited($sql)", {"sql": sql}
    ).fetchall()
    if reason is not None:
        raise UsageError(reason)
    return str(limited)


def limit_memory() -> None:
    """Limit the memory that this process can take from now on (Linux; elsewhere DuckDB's limit is the only one).

    DuckDB's own limit does not count strings: `repeat('x', 4000000000)` takes gigabytes. The stacks of the threads that
    run already are counted by the system, though hardly used, so the limit is above what there is.
    """
    status = Path("/proc/self/status")
    if status.exists():
        [present] = [int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line[:7] == "VmData:"]
        size = present + ((MEMORY_MB + SPARE_MB) << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
