"""The generation that is served: the pointer is read every second, and a new generation replaces the old one.

A serving file is made beside the one in use. A request that began on the old file finishes on it: its connection closes
when no request has it any more.
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

from stockstream.analytics.serving import serving_file
from stockstream.analytics.serving.problems import Problem
from stockstream.pipeline.generations import generation, numbers, pointed
from stockstream.pipeline.lake import CURRENT, Lake
from stockstream.pipeline.manifest import Manifest
from stockstream.sql.errors import LakeError, StockStreamError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
KEPT = 3
"""Generations that are served: the newest one, and those before it, for pages and addresses that name them."""


class Served:
    """A serving file in use: a connection, of which each thread has a cursor of its own."""

    def __init__(self, manifest: Manifest, con: DuckDBPyConnection) -> None:
        self._con = con
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
    """The generations of a lake that can be served, and the thread that follows the pointer."""

    def __init__(self, lake: str, cache: Path, report: serving_file.Progress = lambda table: None) -> None:
        self.lake = Lake(lake)
        self._folder = folder_of(lake, cache)
        self._report = report
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
        self._serve(self._pointed())
        self._thread.start()

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
        con = serving_file.opened(self.lake.uri, manifest, self._folder, self._report)
        self._newest = Served(manifest, con)
        # In the order of serving: a lake that was made again begins with generation 1.
        earlier = [served for number, served in self._served.items() if number != manifest.generation]
        self._served = {served.generation: served for served in (*earlier[1 - KEPT :], self._newest)}
        logger.info("serves generation %d, after %.1f s", manifest.generation, time.monotonic() - began)
        self._delete_old()

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                manifest = self._pointed()
                if manifest != self._newest.manifest:
                    self._serve(manifest)
                    self.on_served(self._newest.generation)
                self.fault = None
            except (StockStreamError, duckdb.Error, OSError) as error:
                if self.fault != str(error):
                    logger.error("still serves generation %d: %s", self._newest.generation, error)
                self.fault = str(error)

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
