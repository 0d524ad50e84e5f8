"""A local cache of an S3 lake's files, for development: each version of a file is downloaded once."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import RAW, Lake


class LocalCopies:
    """Copies of a lake's files in a folder. The folder may be deleted at any time."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self._lake = lake
        self._folder = folder / hashlib.sha256(lake.uri.encode()).hexdigest()[:12]

    def of(self, files: Sequence[str]) -> list[str]:
        """Return the paths of the local copies of files, given their URIs; download the copies that are missing.

        Raises:
            LakeError: the lake cannot be read, or a file was deleted.
        """
        keys = [file.removeprefix(f"{self._lake.uri}/") for file in files]
        # A batch file may be replaced under its name, so its ETag is part of the copy's path. Names of silver files are
        # never reused.
        versions = self._lake.store.list(RAW) if any(key.startswith(RAW) for key in keys) else {}
        return [str(self._copy(key, versions[key].etag if key in versions else "")) for key in keys]

    def _copy(self, key: str, version: str) -> Path:
        path = self._folder / version.strip('"') / Path(key).name
        if not path.exists():
            remote = self._lake.store.get(key)
            if remote is None:
                raise LakeError(f"{self._lake.store.uri(key)} was deleted in the meantime: connect again")
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as temporary:
                temporary.write(remote.data)
            Path(temporary.name).replace(path)  # atomic, also when two processes download the same file
        return path
