"""The catalogue file: a DuckDB database with all views and macros, from which a connection copies them.

Creating them makes DuckDB bind each one, which takes most of the time of opening a connection. In a database file they
are stored as they were bound, so that copying them takes a fiftieth of that. Nothing else differs: they are in the
database `memory` of the connection, and can be replaced there.

The file's name has a checksum of the SQL files, also of those of installed packages, and of the version of DuckDB: with
another SQL file or another version the name is another one. A file appears when it is complete, so that several
processes may make it at once. DuckDB compares the checksum of each block that it reads: a damaged file is made again.
Where there is no folder that can be written, the views are created as if there were no file.

Sessions of the pipeline need the views alone, without the macros of indicators: they copy a smaller file, which takes
half of the time.
"""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.sql import plugins
from stockstream.sql.documentation import comments
from stockstream.sql.loader import HOME, load, macros, rules, views
from stockstream.sql.session.whole_files import appearing
from stockstream.sql.variables import empty_variables, quoted, set_variable

SETTING = "STOCKSTREAM_CACHE"
"""The variable of the environment with the folder of the file."""
FORMAT = 3
"""To be increased when `create_objects` changes what it creates from the same SQL files."""
UNUSED = 30 * 86_400
"""Age in seconds after which the files of other versions are deleted, and those that a killed process left."""
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
}
START: dict[str, str | bool | int | float | list[str]] = {**CONFIG, "threads": 1}
"""While a connection is opened: for small statements, waking other threads takes longer than they save."""
_PREFIX = "catalogue-"
_ATTACHED = "stockstream_catalogue"


class _IncompleteError(Exception):
    """An indicator of an installed package is left out."""


class CacheWarning(UserWarning):
    """The folder that the setting names cannot be used; the views are created without it."""


def connection_with_objects(views_only: bool = False) -> DuckDBPyConnection | None:
    """Return a connection of one thread that has all views and macros; None if that needs a file that cannot be used.

    The file is made if there is none, or a damaged one. `views_only`: a connection with the views, and without macros
    of indicators, from a smaller file, which is made where there is the other one: a Lambda that opens a single
    connection would not win by it.
    """
    path = path_of_catalogue(views_only)
    if path is None:
        return None
    con = _copied(path)
    make = not views_only or _exists(path_of_catalogue())
    if con is None and make and _make(path, views() if views_only else None):
        con = _copied(path)
    return con


def usable_file() -> Path | None:
    """Return the catalogue file after making it if necessary, for another process; None if it cannot be used."""
    con = connection_with_objects()
    if con is None:
        return None
    con.close()
    return path_of_catalogue()


def copy_statements(path: Path) -> str:
    """Return the SQL that copies the views and macros of a catalogue file into the database `memory`."""
    return (
        f"ATTACH {quoted(str(path))} AS {_ATTACHED} (READ_ONLY);\n"
        f"COPY FROM DATABASE {_ATTACHED} TO memory;\nDETACH {_ATTACHED};\n"
    )


def path_of_catalogue(views_only: bool = False) -> Path | None:
    """Return where the catalogue file of this version is, or will be; None if there is no folder for it."""
    folder = cache_folder()
    return folder / f"{_PREFIX}{'views-' if views_only else ''}{_checksum()}.duckdb" if folder else None


def cache_folder() -> Path | None:
    """Return the folder of the setting, otherwise `stockstream` in the user's cache folder; None without a home.

    On Lambda, where the home cannot be written, it is in /tmp, which no other user has there.
    """
    if named := os.environ.get(SETTING):
        return Path(named).absolute()
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        return Path("/tmp/stockstream")
    cache = os.environ.get("XDG_CACHE_HOME") or ""
    if cache.startswith("/"):  # the specification ignores a relative path
        return Path(cache) / "stockstream"
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 (which raises nothing without a home)
    return home / ".cache/stockstream" if home.is_absolute() else None


def create_objects(con: DuckDBPyConnection, only: Sequence[str] | None = None) -> list[str]:
    """Create the views of the files that `only` names; None: all views and the macros of the indicators, with comments.

    The variables of `variables.empty_variables` must be set. Returns what is wrong with indicators of installed
    packages, which are left out.

    Raises:
        UsageError: an installed package has an indicator with the name of another.
    """
    files = [load(name) for name in (views() if only is None else only)]
    scalars = "".join(load(name).text for name in rules())
    con.execute(scalars + "".join(file.text + (comments(file) if only is None else "") for file in files))
    if only is not None:
        return []
    for name in macros():
        con.execute(load(name).text)  # one by one: DuckDB's parser confuses windows of the same name in two files
    return _install_added(con) if plugins.folders("indicators") else []


def _install_added(con: DuckDBPyConnection) -> list[str]:
    """Create the macros of the indicators of installed packages; return what is wrong with those that are left out."""
    from stockstream.sql.catalogue import Catalogue, added, aliases

    indicators, wrong = added()
    catalogue, refused = Catalogue(indicators), list(wrong)
    for indicator in catalogue.indicators:
        try:
            con.execute(indicator.file.text)
            con.execute(aliases([indicator]) if indicator in catalogue.newest else "")
        except duckdb.Error as error:
            refused.append(f"{indicator.file.path}: {str(error).splitlines()[0]}")
    return refused


@cache
def _checksum() -> str:
    """Return the checksum of what the catalogue file is made of."""
    digest = hashlib.sha256(f"{FORMAT} {duckdb.__version__}".encode())
    start = len(str(HOME)) + 1
    for folder in ("rules", "schema", "views", "indicators"):
        for path in _sql_files(HOME / folder):
            digest.update(f"\0{path[start:]}\0".encode() + _content(path))
    for _, added in plugins.folders("indicators"):
        for path in _sql_files(added):
            digest.update(f"\0{path}\0".encode() + _content(path))
    return digest.hexdigest()[:24]


def _sql_files(folder: Path) -> list[str]:
    """Return the paths of the SQL files at any depth of a folder: with pathlib, 200 files take three times as long."""
    paths = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)  # noqa: PTH118
    return sorted(path for path in paths if path.endswith(".sql"))


def _content(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _copied(path: Path) -> DuckDBPyConnection | None:
    """Return a connection with the objects of a file; None if there is no such file, or it cannot be used."""
    if not _is_trusted(path):
        return None
    con = duckdb.connect(config=START)
    try:
        con.execute(copy_statements(path))
    except duckdb.Error:  # a damaged file, or one on a file system without locks
        con.close()
        return None
    return con


def _exists(path: Path | None) -> bool:
    """Return whether there is a file, also where its folder cannot be searched."""
    return path is not None and os.path.exists(path)  # noqa: PTH110 (which raises nothing without permission)


def _is_trusted(path: Path) -> bool:
    """Return whether a file exists, and no other user but root can have written it."""
    try:
        stat = path.stat()
    except OSError:
        return False
    return not hasattr(os, "geteuid") or stat.st_uid in (os.geteuid(), 0)


def _make(path: Path, only: Sequence[str] | None) -> bool:
    """Make a catalogue file under another name, and rename it; return whether that succeeded. See `create_objects`."""
    # In DuckDB's older formats, whether a CTE is materialized is lost.
    config = {**CONFIG, "storage_compatibility_version": "latest"}
    try:
        with appearing(path) as part, duckdb.connect(str(part), config=config) as con:
            set_variable(con, "sql_home", str(HOME))
            con.execute(empty_variables())
            if create_objects(con, only):
                raise _IncompleteError
            con.execute("CHECKPOINT")
        _delete_unused(path)
    except _IncompleteError:  # each connection creates the objects, and names what is left out
        return False
    except (OSError, duckdb.Error) as error:  # a full disk is an error of either kind
        if os.environ.get(SETTING):
            reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
            message = f"{SETTING}={path.parent} cannot be used: {reason}: each connection takes longer to open"
            warnings.warn(message, CacheWarning, stacklevel=6)
        return False
    return True


def _delete_unused(path: Path) -> None:
    """Delete old files of other versions, and of processes that were killed."""
    for other in (*path.parent.glob(f"{_PREFIX}*.duckdb"), *path.parent.glob(f".{_PREFIX}*.part*")):
        with suppress(OSError):
            if other != path and time.time() - other.stat().st_mtime > UNUSED:
                other.unlink()
