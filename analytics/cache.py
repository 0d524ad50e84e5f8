"""Local copies of an S3 lake's batch files, for development: each version is downloaded once."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from pipeline.lake import Lake
from sql.session import Narrow


def local_copies(lake: Lake, folder: Path) -> Narrow:
    """Turn a lake's batch files into local copies of their present versions; the folder may be deleted at any time."""
    here = folder / hashlib.sha256(lake.uri.encode()).hexdigest()[:12]

    def copies(files: list[str]) -> list[str]:
        versions = lake.store.list("raw-data/")
        return [str(_copy(lake, file.removeprefix(f"{lake.uri}/"), versions, here)) for file in files]

    return copies


def _copy(lake: Lake, key: str, versions: dict[str, str], here: Path) -> Path:
    path = here / versions.get(key, "").strip('"') / Path(key).name
    if not path.exists():
        stored = lake.store.get(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as aside:
            aside.write(stored.data if stored else b"")
        Path(aside.name).replace(path)  # whole or not at all, also with two processes at it
    return path
