"""The text files behind a path: plain or compressed, of a folder or an archive, in any usual encoding."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, TextIO, cast

from stockstream.pipeline.errors import UsageError

TEXT = {".csv", ".txt", ".tsv", ".prn", ".asc", ".gz", ".bz2", ".xz", ".zip"}
PARQUET = {".parquet", ".pq"}
_ENDING = re.compile(r"([.](csv|txt|tsv|prn|asc|parquet|pq|gz|bz2|xz|zip))+$", re.IGNORECASE)
_HEAD = 1 << 16


class UnreadableFile(Exception):
    """A file has no bars that can be read; the text says why."""


@dataclass(frozen=True)
class Input:
    """One file of bars: a file, or a member of a zip archive."""

    name: str
    """The path that a person can find it by; a member of an archive follows its archive after a slash."""
    path: str
    member: str | None = None

    @property
    def stem(self) -> str:
        """The name without folders and the endings of known formats: BRK.B of BRK.B.csv.gz."""
        return _ENDING.sub("", Path(self.name).name)

    def open(self) -> TextIO:
        """Open the text.

        Raises:
            UnreadableFile: the file is no text, or a damaged archive.
        """
        try:
            stream = _decompressed(self._bytes())
            return io.TextIOWrapper(stream, _encoding(stream.peek(_HEAD)), errors=FALLBACK, newline="")
        except (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError) as error:
            raise UnreadableFile(str(error)) from None

    def _bytes(self) -> IO[bytes]:
        if self.member is None:
            return Path(self.path).open("rb")
        return zipfile.ZipFile(self.path).open(self.member)


def inputs_of(path: str) -> tuple[list[Input], bool, list[str]]:
    """Return the files of a path, whether they are Parquet, and the names of files that are left out.

    Raises:
        UsageError: there is no such path, or no file of a kind that can be read in it, or files of both kinds.
    """
    root = Path(path).expanduser()
    if not root.exists():
        raise UsageError(f"files:{path}: there is no such file or folder")
    files = sorted(file for file in root.rglob("*") if file.is_file()) if root.is_dir() else [root]
    parquet = [file for file in files if file.suffix.lower() in PARQUET or (file == root and _starts(file, b"PAR1"))]
    texts = [f for f in files if f not in set(parquet) and (f.suffix.lower() in TEXT or f == root)]
    if parquet and texts:
        raise UsageError(f"files:{path}: there are both CSV and Parquet files: name one kind's folder")
    if not parquet and not texts:
        raise UsageError(f"files:{path}: there are no CSV or Parquet files")
    used = {*parquet, *texts}
    inputs = [Input(str(file), str(file)) for file in parquet]
    for file in texts:
        inputs += _members(file) if _starts(file, b"PK\x03\x04") else [Input(str(file), str(file))]
    return inputs, bool(parquet), [str(file) for file in files if file not in used]


def _members(file: Path) -> list[Input]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except zipfile.BadZipFile:
        return [Input(str(file), str(file))]
    if "[Content_Types].xml" in names:
        raise UsageError(f"{file} is an Excel workbook: export its sheet as CSV")
    return [Input(f"{file}/{name}", str(file), name) for name in sorted(names) if not name.startswith("__MACOSX/")]


def _starts(file: Path, magic: bytes) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(len(magic)) == magic
    except OSError:
        return False


def _decompressed(raw: IO[bytes]) -> io.BufferedReader:
    stream = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, raw), _HEAD)
    magic = stream.peek(6)[:6]
    if magic.startswith(b"\x1f\x8b"):
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)), _HEAD)
    if magic.startswith(b"BZh"):
        return io.BufferedReader(cast(io.RawIOBase, bz2.BZ2File(cast(BinaryIO, stream))), _HEAD)
    if magic.startswith(b"\xfd7zXZ"):
        return io.BufferedReader(cast(io.RawIOBase, lzma.LZMAFile(cast(BinaryIO, stream))), _HEAD)
    return stream


def _encoding(head: bytes) -> str:
    """Return the encoding by the byte order mark, or by where the zero bytes are."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return name
    if b"\0" not in head:
        return "utf-8"
    zeros = [head[start:200:2].count(0) / max(len(head[start:200:2]), 1) for start in (0, 1)]
    if max(zeros) > 0.8 and min(zeros) < 0.2:
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    raise UnreadableFile("is no text: it has zero bytes")


class _Fallback:
    """Decode the bytes that are not UTF-8 as Windows-1252, which contains Latin-1, and count them."""

    count = 0

    def __call__(self, error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError) or error.encoding.startswith("utf-16"):
            raise error
        self.count += 1
        wrong = error.object[error.start : error.end]
        try:
            return wrong.decode("cp1252"), error.end
        except UnicodeDecodeError:
            return wrong.decode("latin-1"), error.end


FALLBACK = "stockstream-windows-1252"
fallback = _Fallback()
codecs.register_error(FALLBACK, fallback)
