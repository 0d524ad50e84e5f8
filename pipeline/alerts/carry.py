"""What the live indicators of a session continue from: the published table `carried`, as of the bar before the session.

A row is of its symbol's newest published bar. If the lake has the session's bar already (in a recording of a past
session), or a bar that is not published yet, the rows of these symbols are computed from the bars before the session.
"""

from __future__ import annotations

from datetime import date

from duckdb import DuckDBPyConnection

from stockstream.pipeline.steps.refresh_carried import TABLE, carried_before
from stockstream.sql.loader import load
from stockstream.sql.session import set_variable

CLOSES, NOW = "steps/live_closes", "steps/carried_now"


def is_published(con: DuckDBPyConnection) -> bool:
    """Return whether the lake's generation has the table; lakes of earlier versions get it with the next refresh."""
    query = f"SELECT map_contains(getvariable('silver'), '{TABLE.name}')"
    return con.execute(query).fetchall() == [(True,)]


def continue_from(con: DuckDBPyConnection, session: date, *, recompute: bool = False) -> int:
    """Let the name `carried` stand for the rows from which the session continues; return how many were computed.

    `recompute` uses no published row. `con` is a session of the lake with all views.

    Raises:
        duckdb.Error: the lake cannot be read.
    """
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE last_closes AS {load(CLOSES).body}",
        {"session": session},
    )
    if recompute:
        con.execute("CREATE OR REPLACE TEMP TABLE carried_rows AS FROM carried LIMIT 0")
        con.execute("ALTER TABLE carried_rows RENAME TO carried")
    absent = "FROM last_closes AS b ANTI JOIN carried AS c ON c.symbol = b.symbol AND c.date = b.date"
    count = int(con.execute(f"SELECT count(*) {absent}").fetchall()[0][0])
    if count:
        carried_before(con, session)
    else:
        con.execute("CREATE OR REPLACE TEMP TABLE derived_rows AS FROM carried LIMIT 0")
    set_variable(con, "session", session)
    con.execute(load(NOW).text)
    con.execute("DROP TABLE IF EXISTS temp.carried; ALTER TABLE carried_now RENAME TO carried")
    con.execute("DROP TABLE derived_rows")
    return count
