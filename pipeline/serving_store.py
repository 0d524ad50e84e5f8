"""Serving files in the lake: a run stores one per generation, so that no server has to make it.

`serving/NNNNNN-CHECKSUM-SHA256.duckdb`: the name that a server gives the file, which depends on all that the file is
made from, and the SHA-256 of its bytes, with which a server compares what it has read. The object appears complete or
not at all, and is never replaced.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from contextlib import suppress
from pathlib import Path

from stockstream.pipeline.errors import Conflict, LakeError
from stockstream.pipeline.lake import SERVING, Lake
from stockstream.pipeline.manifest import Manifest
from stockstream.pipeline.serving_file import name_of
from stockstream.sql.session.whole_files import appearing

logger = logging.getLogger(__name__)

KEPT = 3
"""Generations whose files are in the lake: the newest one, and those before it, for pages and addresses that name
them."""
_PART = 16 << 20
"""Bytes that are read at a time."""


def stored(lake: Lake, manifest: Manifest) -> str | None:
    """Return the key of the serving file of a generation; None if the lake has none of this version of the program.

    Raises:
        LakeError: the lake cannot be listed.
    """
    return next(iter(_files(lake, manifest)), None)


def is_right(lake: Lake, manifest: Manifest) -> bool:
    """Return whether the lake has the serving file of a generation, with the right bytes; a wrong one is deleted.

    Raises:
        LakeError: the lake cannot be read.
    """
    key = stored(lake, manifest)
    if key is None:
        return False
    digest = lake.store.digest(key)
    if digest is not None and key.endswith(_end(digest[1])):
        return True
    logger.warning("%s is damaged: it is deleted, and made again", lake.store.uri(key))
    lake.store.delete([key])
    return False


def store(lake: Lake, manifest: Manifest, path: Path) -> str:
    """Put a serving file into the lake, read it back, and return its key.

    Raises:
        LakeError: the lake cannot be written, or what it has then is not what was put.
    """
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    key = f"{SERVING}{_stem(manifest)}{_end(checksum)}"
    with suppress(Conflict):  # its name has its checksum: another run has stored the same bytes
        lake.store.put(key, path, replaces=None)
    if lake.store.digest(key) != (path.stat().st_size, checksum):
        lake.store.delete([key])
        raise LakeError(f"{lake.store.uri(key)} is not what was written: it is deleted; run again")
    return key


def take(lake: Lake, manifest: Manifest, path: Path) -> bool:
    """Write the serving file of a generation to a path, if the lake has it and its bytes are right; return whether.

    Raises:
        LakeError: the lake cannot be read, or there is too little space.
        OSError: the folder cannot be written.
    """
    for key, size in _files(lake, manifest).items():
        try:
            with appearing(path) as part:
                _read(lake, key, size, part)
        except _Damaged:
            logger.warning("%s is damaged, and is not used: its SHA-256 is another one", lake.store.uri(key))
        else:
            logger.info("uses %s", lake.store.uri(key))
            return True
    return False


class _Damaged(Exception):
    """The bytes are not those that were stored."""


def _read(lake: Lake, key: str, size: int, path: Path) -> None:
    """Write an object to a path.

    Raises:
        _Damaged: its bytes are not those of its name.
        LakeError: there is too little space, or the object cannot be read.
    """
    free = shutil.disk_usage(path.parent).free
    if size > free:
        sizes = f"it has {size / 1e6:,.0f} MB, and {path.parent} has {free / 1e6:,.0f} MB left"
        raise LakeError(f"{lake.store.uri(key)} cannot be used: {sizes}")
    checksum = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size, _PART):
            data = lake.store.part(key, start, min(_PART, size - start))
            checksum.update(data)
            file.write(data)
    if not key.endswith(_end(checksum.hexdigest())):
        raise _Damaged


def delete_old(lake: Lake, newest: Manifest) -> int:
    """Delete the files of all but the last generations, and those of other versions; return their number.

    Raises:
        LakeError: the lake cannot be listed or written.
    """
    keys = list(lake.store.list(SERVING))
    numbers = sorted({key[len(SERVING) :].partition("-")[0] for key in keys if not key.startswith(_of(newest))})
    kept = {*numbers[len(numbers) - KEPT + 1 :], f"{newest.generation:06d}"}
    old = [key for key in keys if key[len(SERVING) :].partition("-")[0] not in kept]
    lake.store.delete(old)
    return len(old)


def _files(lake: Lake, manifest: Manifest) -> dict[str, int]:
    """Return the sizes of the files of a generation, by key: two runs at once store two."""
    start = f"{SERVING}{_stem(manifest)}-"
    return {key: listed.size for key, listed in lake.store.list(SERVING).items() if key.startswith(start)}


def _stem(manifest: Manifest) -> str:
    return name_of(manifest).removesuffix(".duckdb")


def _end(checksum: str) -> str:
    return f"-{checksum}.duckdb"


def _of(manifest: Manifest) -> str:
    return f"{SERVING}{manifest.generation:06d}-"
