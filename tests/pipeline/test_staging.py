"""Files on their way into the lake: uploaded and compared with what was staged, without being held in memory."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from stockstream.pipeline.errors import LakeError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.staging import StagedFile, stage, upload
from tests.pipeline.test_vacuum import read

UPLOAD = """
import resource, sys
from pathlib import Path
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.staging import StagedFile, upload
lake, path, size, sha256 = Lake(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
lake.store.list("silver/")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
upload(lake, [StagedFile(path, 1, size, sha256, 1, None, None)], "bars", "base", 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.fixture
def staged(tmp_path: Path) -> StagedFile:
    query = "SELECT 'AAA' AS symbol, DATE '2024-01-02' + range::INT AS date, random() AS close FROM range(100000)"
    with duckdb.connect() as con:
        return stage(con, f"{query} ORDER BY date", tmp_path / "base.parquet", 2048)


def test_an_uploaded_file_is_the_staged_one(lake_uri: str, staged: StagedFile) -> None:
    lake = Lake(lake_uri)
    (file,) = upload(lake, [staged], "bars", "base", 7)
    assert file.key.startswith("silver/bars/000007-base-")
    assert (file.bytes, file.sha256, file.rows) == (staged.bytes, staged.sha256, 100_000)
    assert read(lake, file.key) == staged.path.read_bytes()


def test_a_file_that_arrives_otherwise_is_refused(lake_uri: str, staged: StagedFile) -> None:
    lake = Lake(lake_uri)
    data = bytearray(staged.path.read_bytes())
    data[1000] ^= 1
    staged.path.write_bytes(data)  # after its checksum was computed, as by a disk that fails
    with pytest.raises(LakeError, match="did not arrive as it was sent: nothing was published"):
        upload(lake, [staged], "bars", "base", 7)


def test_an_upload_needs_no_memory_for_the_file(lake_uri: str, staged: StagedFile) -> None:
    size = 120_000_000
    with staged.path.open("rb+") as file:  # a footer, and much before it
        data = file.read()
        file.seek(size - len(data))
        file.write(data)
        file.seek(0)
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    arguments = [lake_uri, str(staged.path), str(size), checksum]
    grown = subprocess.run(
        [sys.executable, "-c", UPLOAD, *arguments], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert int(grown) * 1024 < size / 2
