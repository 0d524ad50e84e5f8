"""A lake in a folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from stockstream.pipeline.errors import Conflict, LakeError
from stockstream.pipeline.store.base import Listed, Stored, opened

LOCK_SECONDS = 120
_ASIDE = ".aside-"


class FolderStore:
    """Objects as files, each written to a temporary file, synced and renamed, under one lock for all writers of a lake.

    The lock makes comparing and replacing one step; a temporary file that another writer finds while it has the lock
    was left by a killed one. Readers take no lock: because of the rename they see either the old file or the new one.
    """

    def __init__(self, root: str) -> None:
        self.root = Path(root)

    def uri(self, key: str) -> str:
        """Return the path of the file."""
        return str(self.root / key)

    def list(self, prefix: str) -> dict[str, Listed]:
        """Return the files below a folder, without temporary ones."""
        return {key: file for key, file in self._files(prefix) if not _name(key).startswith(".")}

    def litter(self) -> dict[str, Listed]:
        """Return the temporary files."""
        return {key: file for key, file in self._files("") if _name(key).startswith(_ASIDE)}

    def get(self, key: str) -> Stored | None:
        """Return a file."""
        try:
            with (self.root / key).open("rb") as file:
                return Stored(file.read(), _version(os.fstat(file.fileno())))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LakeError(f"cannot read {self.uri(key)}: {_reason(error)}") from None

    def digest(self, key: str) -> tuple[int, str] | None:
        """Return the size and the SHA-256 of a file."""
        try:
            with (self.root / key).open("rb") as file:
                return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LakeError(f"cannot read {self.uri(key)}: {_reason(error)}") from None

    def part(self, key: str, start: int, length: int) -> bytes:
        """Return a range of a file."""
        try:
            with (self.root / key).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError:
            raise KeyError(key) from None
        except OSError as error:
            raise LakeError(f"cannot read {self.uri(key)}: {error.strerror}") from None

    def put(self, key: str, data: bytes | Path, replaces: Stored | None) -> None:
        """Write a temporary file, and rename it if the present file is still the one that was read."""
        path = self.root / key
        try:
            if not path.parent.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                for parent in (path.parent.parent, self.root.parent):
                    _sync_folder(parent)
            with self._locked():
                for left_over in path.parent.glob(f"{_ASIDE}*"):
                    left_over.unlink()
                if self.get(key) != replaces:  # including the bytes: inodes are reused, and some clocks are coarse
                    raise Conflict(f"{path} was written by another run in the meantime")
                aside = path.with_name(_ASIDE + path.name)
                with opened(data) as source, aside.open("wb") as file:
                    shutil.copyfileobj(source, file)
                    file.flush()
                    os.fsync(file.fileno())
                aside.rename(path)
                _sync_folder(path.parent)
        except (OSError, ValueError) as error:
            raise LakeError(f"cannot write {path}: {_reason(error)}") from None

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files, under the lock, so that no writer is using a temporary file or comparing a present one."""
        for key in keys:
            path = self.root / key
            try:
                with self._locked():
                    path.unlink()
                    _sync_folder(path.parent)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                raise LakeError(f"cannot delete {path}: {_reason(error)}") from None

    def _files(self, prefix: str) -> Iterator[tuple[str, Listed]]:
        """Yield the files below a folder, sorted, temporary ones too; none if there is no such folder.

        Raises:
            LakeError: a folder cannot be read, or is a file.
        """
        paths: list[Path] = []
        try:
            for folder, folders, names in os.walk(self.root / prefix, onerror=_refuse):
                folders.sort()
                paths += [Path(folder) / name for name in names]
            for path in sorted(paths):
                with suppress(FileNotFoundError):  # deleted in the meantime
                    stat = path.stat()
                    age = timedelta(seconds=time.time() - stat.st_mtime)
                    yield str(path.relative_to(self.root)), Listed(_version(stat), stat.st_size, age)
        except (OSError, ValueError) as error:
            where = getattr(error, "filename", None) or self.uri(prefix)
            raise LakeError(f"cannot read {where}: {_reason(error)}") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.root / ".lock", timeout=LOCK_SECONDS)
        try:
            with lock:
                yield
        except Timeout:
            raise LakeError(
                f"another process has held {self.root}/.lock for {LOCK_SECONDS} s: is a run stopped or hanging?"
            ) from None


def _refuse(error: OSError) -> None:
    """Raise an error of `os.walk`, which would skip the folder; a folder that does not exist has no files."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _name(key: str) -> str:
    return key.rsplit("/", 1)[-1]


def _version(stat: os.stat_result) -> str:
    # A rename changes the inode, so that no two contents have the same three values.
    return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that a rename in it survives a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
