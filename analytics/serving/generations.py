"""The generation that is served: the pointer is read every second, and a new generation replaces the old one.

Its serving file is taken from the lake if a run has stored it there, otherwise made, beside the one in use. A request
that began on the old file finishes on it: its connection closes when no request has it any more.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from stockstream.analytics.serving.problems import Problem
from stockstream.pipeline import serving_file, serving_store
from stockstream.pipeline.generations import generation, numbers, pointed
from stockstream.pipeline.lake import CURRENT, Lake
from stockstream.pipeline.manifest import Manifest
from stockstream.sql.errors import LakeError, StockStreamError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
WAIT_SECONDS = 300.0
"""How long a server waits for the serving file of a run, if the generation before has one, before it makes its own."""
WAITING = 10
"""Generations without a serving file, behind which one with a file is looked for."""
KEPT = serving_store.KEPT
"""Generations that are served: the newest one, and those before it, for pages and addresses that name them."""


class Served:
    """A serving file in use: a connection, of which each thread has a cursor of its own."""

    def __init__(self, manifest: Manifest, con: DuckDBPyConnection, path: Path) -> None:
        self._con, self.path = con, path
        self.manifest, self.generation = manifest, manifest.generation
        self.content: str = self._con.execute("SELECT content FROM about").fetchall()[0][0]
        """A checksum of all rows that can be served."""
        self._cursors = threading.local()
        self.recent_after: date | None = self._con.execute(
            f"SELECT max(date) - {serving_file.RECENT_DAYS} FROM bars_as_traded"
        ).fetchall()[0][0]
        """The day after which the schema `recent` has all bars; None: there are no bars."""
        self.symbols = frozenset(
            symbol for (symbol,) in self._con.execute("SELECT DISTINCT symbol FROM bars_as_traded").fetchall()
        )
        """The symbols that have bars."""

    @property
    def cursor(self) -> DuckDBPyConnection:
        """The cursor of this thread."""
        cursor = getattr(self._cursors, "cursor", None)
        if cursor is None:
            cursor = self._cursors.cursor = self._con.cursor()
        return cursor


class Generations:
    """The generations of a lake that can be served, and the thread that follows the pointer.

    Without `makes_files` only those are served whose serving files runs have stored in the lake, also earlier ones.
    """

    def __init__(
        self,
        lake: str,
        cache: Path,
        report: serving_file.Progress = lambda table: None,
        makes_files: bool = True,
    ) -> None:
        self.lake = Lake(lake)
        self._folder = folder_of(lake, cache)
        self._report, self._makes_files = report, makes_files
        self._awaited: tuple[int, float] = (0, 0.0)
        """A generation whose serving file is not there yet, and the time at which it was noticed."""
        self._served: dict[int, Served] = {}
        self._newest: Served
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="generations", daemon=True)
        self.on_served: Callable[[int], None] = lambda number: None
        """Called with the number of each generation after the first, when it is served, in the thread."""
        self.parts: dict[str, Callable[[], str]] = {}
        """What `/health` says about other parts of the server."""
        self.looked_at = 0.0
        """Time since 1970 of the last successful look at the pointer."""
        self.fault: str | None = None
        """Why the pointer, or the newest generation, cannot be read; None: it can."""

    def start(self) -> None:
        """Serve the newest generation, and follow the pointer from now on.

        Raises:
            LakeError: the lake has no generation yet, or it cannot be read.
        """
        self.open_newest()
        self._thread.start()

    def open_newest(self) -> None:
        """Serve the newest generation.

        Raises:
            LakeError: the lake has no generation yet, or (without `makes_files`) no serving file, or cannot be read.
        """
        manifest = self._pointed()
        if not self._makes_files and serving_store.stored(self.lake, manifest) is None:
            manifest = self._newest_stored(manifest)
        self._serve(manifest)

    def look(self) -> None:
        """Serve the newest generation if there is a new one.

        If that fails, the present one stays, and `fault` says why.
        """
        try:
            manifest = self._pointed()
            if manifest != self._newest.manifest and not self._waits(manifest):
                self._serve(manifest)
                self.on_served(self._newest.generation)
            self.fault = None
        except (StockStreamError, duckdb.Error, OSError) as error:
            if self.fault != str(error):
                logger.error("still serves generation %d: %s", self._newest.generation, error)
            self.fault = str(error)

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def newest(self) -> Served:
        """The generation that is served unless a request names another."""
        return self._newest

    def of(self, number: int | None) -> Served:
        """Return a generation by its number; None: the newest.

        Raises:
            Problem: it is not served (410), or there is none yet (404).
        """
        served = self._newest if number is None else self._served.get(number)
        if served is None and number is not None and not self._makes_files:
            served = self._earlier(number)
        if served is not None:
            return served
        kept = ", ".join(map(str, sorted(self._served)))
        is_old = number is not None and number < self._newest.generation
        raise Problem(410 if is_old else 404, f"generation {number} is not served: there are {kept}")

    def _pointed(self) -> Manifest:
        manifest = pointed(self.lake, self.lake.store.get(CURRENT))
        if manifest is None:
            manifest = generation(self.lake, max(numbers(self.lake), default=0)) if numbers(self.lake) else Manifest()
        self.looked_at = time.time()
        if not manifest.generation:
            raise LakeError(f"{self.lake.uri} has no generation yet: `stockstream run` publishes the first one")
        return manifest

    def _serve(self, manifest: Manifest) -> None:
        began = time.monotonic()
        self._newest = self._opened(manifest)
        # In the order of serving: a lake that was made again begins with generation 1.
        earlier = [served for number, served in self._served.items() if number != manifest.generation]
        self._served = {served.generation: served for served in (*earlier[1 - KEPT :], self._newest)}
        logger.info("serves generation %d, after %.1f s", manifest.generation, time.monotonic() - began)
        self._delete_old()

    def _opened(self, manifest: Manifest) -> Served:
        """Return a generation, whose serving file is in the folder, in the lake, or made."""
        path = self._folder / serving_file.name_of(manifest)
        con = serving_file.opened(path, manifest)
        if con is None:
            if not serving_store.take(self.lake, manifest, path):
                if not self._makes_files:
                    raise LakeError(f"{self.lake.uri} has no serving file of generation {manifest.generation}")
                logger.info("makes the serving file of generation %d: the lake has none", manifest.generation)
                serving_file.make(self.lake.uri, manifest, path, self._report)
            con = serving_file.connection(path)
        return Served(manifest, con, path)

    def _newest_stored(self, newest: Manifest) -> Manifest:
        """Return the newest generation that has a serving file in the lake.

        Raises:
            LakeError: none has one.
        """
        for number in sorted(numbers(self.lake), reverse=True)[:WAITING]:
            manifest = generation(self.lake, number)
            if serving_store.stored(self.lake, manifest) is not None:
                logger.warning("serves generation %d: %d has no serving file yet", number, newest.generation)
                return manifest
        raise LakeError(f"{self.lake.uri} has no serving file: a run with STOCKSTREAM_SERVING_FILE=1 stores one")

    def _earlier(self, number: int) -> Served | None:
        """Return a generation before the newest from the lake, if its serving file is there."""
        if not self._newest.generation - KEPT < number < self._newest.generation:
            return None
        try:
            self._served[number] = self._opened(generation(self.lake, number))
        except StockStreamError as error:
            logger.warning("generation %d cannot be served: %s", number, error)
            return None
        return self._served[number]

    def _waits(self, manifest: Manifest) -> bool:
        """Return whether the serving file of a generation is still to come: the one before has one, from a run."""
        if serving_store.stored(self.lake, manifest) is not None:
            return False
        if not self._makes_files:
            return True
        if serving_store.stored(self.lake, self._newest.manifest) is None:
            return False
        number, since = self._awaited
        if number != manifest.generation:
            self._awaited = manifest.generation, time.monotonic()
            logger.info("waits for the serving file of generation %d", manifest.generation)
            return True
        return time.monotonic() - since < WAIT_SECONDS

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.look()

    def _delete_old(self) -> None:
        """Delete the files of generations that are not served any more, and those of other versions of this program."""
        kept = {serving_file.name_of(served.manifest) for served in self._served.values()}
        for path in self._folder.glob("*.duckdb"):
            if path.name not in kept:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    logger.warning("cannot delete %s: %s", path, error.strerror)


def folder_of(lake: str, cache: Path) -> Path:
    """Return the folder in a cache for the serving files of a lake."""
    return cache / "serving" / hashlib.sha256(lake.encode()).hexdigest()[:16]
