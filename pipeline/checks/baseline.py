"""A baseline: the bad rows that are known, so that only new ones are reported.

The file has one line of JSON per bad row, {"check": NAME, "key": [VALUE, ...]}, sorted, so that it can be committed and
its changes reviewed. The key of a row is the values, as texts, of the check's `key`, or of all columns but `detail`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from duckdb import DuckDBPyConnection

from stockstream.pipeline.checks.model import Check
from stockstream.pipeline.errors import UsageError
from stockstream.sql.session.whole_files import write_whole
from stockstream.sql.variables import quoted

Key = tuple[str | None, ...]


class Baseline:
    """The keys of bad rows by check: those of a file, and those of this run, which a new file will have.

    `lake` is removed from the beginning of values, so that the baseline of a copy of the lake is the same.
    """

    def __init__(self, keys: Iterable[tuple[str, Key]] = (), lake: str = "") -> None:
        self._lake = lake
        self._keys: dict[str, set[Key]] = {}
        for check, key in keys:
            self._keys.setdefault(check, set()).add(key)
        self._new: set[tuple[str, Key]] = set()

    @classmethod
    def read(cls, path: Path, lake: str = "") -> Baseline:
        """Read a file.

        Raises:
            UsageError: it does not exist, or a line has another form.
        """
        keys = []
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"cannot read the baseline {path}: {getattr(error, 'strerror', None) or error}; "
                "--write-baseline FILE writes one"
            ) from None
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                check, key = str(entry["check"]), entry["key"]
                if not isinstance(key, list):
                    raise TypeError
                keys.append((check, tuple(None if value is None else str(value) for value in key)))
            except (ValueError, KeyError, TypeError):
                raise UsageError(f'{path}, line {number}: a line is {{"check": NAME, "key": [VALUE, ...]}}') from None
        return cls(keys, lake)

    def remove_rows(self, con: DuckDBPyConnection, check: Check, table: str, columns: Sequence[str]) -> int:
        """Delete the bad rows of a check that are in the baseline from a table; return how many these were.

        All keys of the table are kept for `write`.
        """
        key = self._key(check, columns)
        for (text,) in con.execute(f"SELECT DISTINCT {key} FROM {table}").fetchall():
            self._new.add((check.name, tuple(json.loads(text))))
        keys = self._keys.get(check.name)
        if not keys:
            return 0
        texts = ", ".join(
            quoted(json.dumps(one, ensure_ascii=False, separators=(",", ":"))) for one in sorted(keys, key=str)
        )
        (deleted,) = con.execute(f"DELETE FROM {table} WHERE CAST({key} AS VARCHAR) IN ({texts})").fetchall()[0]
        return int(deleted)

    def write(self, path: Path) -> int:
        """Write the bad rows of this run, known and new ones, as a baseline; return their number."""
        lines = [
            json.dumps({"check": check, "key": key}, ensure_ascii=False) + "\n"
            for check, key in sorted(self._new, key=lambda one: (one[0], json.dumps(one[1])))
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, "".join(lines))
        return len(lines)

    def _key(self, check: Check, columns: Sequence[str]) -> str:
        """Return the expression of a row's key: a JSON list of texts."""
        names = [name for name in check.key if name in columns] or [name for name in columns if name != "detail"]
        prefix = quoted(self._lake.rstrip("/") + "/")
        texts = [f'CAST("{name.replace(chr(34), chr(34) * 2)}" AS VARCHAR)' for name in names or columns]
        if self._lake:
            texts = [
                f"CASE WHEN starts_with({text}, {prefix}) THEN substr({text}, length({prefix}) + 1) ELSE {text} END"
                for text in texts
            ]
        return f"to_json([{', '.join(texts)}])"
