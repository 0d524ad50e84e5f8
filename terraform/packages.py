"""Build the Lambda layers and function packages of `packages.json`: the same inputs give the same bytes.

`python -m stockstream.terraform.packages` (or `make packages`) writes `build/<architecture>-<python>/`: a layer for
each set of libraries, pinned and checked by `requirements.lock`, and for each function a zip of our code with its own
handler only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SPEC = ROOT / "terraform/packages.json"
LOCK = ROOT / "requirements.lock"
PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
PYTHON = "3.13"

UNZIPPED_LIMIT = 250 * 2**20
"""Bytes of a function with its layers, AWS's quota."""
ZIPPED_LIMIT = 50 * 2**20
"""Bytes of one zip, AWS's quota for a direct upload."""

SUFFIXES = {".csv", ".json", ".lock", ".parquet", ".py", ".sql"}
"""Of the files that are our code."""
AWS_SERVICES = {"s3", "ssm", "sso", "sso-oidc", "sts"}
"""Of botocore's 400 services those that are called; sso and sts by its own chain of credentials."""
UNUSED = re.compile(
    r"(^|/)(tests?|__pycache__|include|benchmarks)/"
    r"|\.(pyi|pyc|pyx|pxd|h|hpp|c|cpp|exe)$"
    r"|^(bin|playhouse|pwiz\.py|pycparser|adbc_driver_duckdb|_duckdb-stubs|peewee-stubs)(/|$)"
    r"|^lxml/"  # yfinance names it, and never imports it
    r"|\.dist-info/(?!METADATA|entry_points)"  # RECORD and such differ from one installation to the next
    r"|^\.lock$"
    rf"|^botocore/data/(?!({'|'.join(sorted(AWS_SERVICES))})/)[^/]+/"
)
"""Paths that no function needs."""


@dataclass(frozen=True)
class Package:
    """A zip that was built: bytes unzipped and zipped."""

    path: Path
    unzipped: int
    zipped: int


class PackageError(RuntimeError):
    """A package cannot be built, or would be refused by AWS."""


@cache
def spec() -> dict[str, Any]:
    """Give `packages.json`: the requirements of each layer; layers, memory (MB) and timeout (s) of each function."""
    return json.loads(SPEC.read_text())  # type: ignore[no-any-return]


def build(folder: Path, architecture: str, python: str = PYTHON) -> dict[str, Package]:
    """Build what is not there yet; give the packages by name, layers first.

    A file's name holds the checksum of what it is made of, as Terraform computes it too: `fetch_batch-0f1e2d3c.zip`.

    Raises:
        PackageError: a library cannot be had, or a function with its layers is too large for Lambda.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for name in spec()["layers"]:
        path = folder / f"{name}-{layer_version(name, architecture, python)}.zip"
        made[name] = _have(path) or _zip(path, _layer(name, architecture, python))
    for name in spec()["functions"]:
        path = folder / f"{name}-{function_version(name)}.zip"
        made[name] = _have(path) or _zip(path, _code(name))
    _check(made)
    return made


def function_version(name: str) -> str:
    """Give the checksum of a function's code, 16 digits; `modules/functions` in Terraform does the same."""
    lines = [f"{path} {_sha256((ROOT / path).read_bytes())}\n" for path in sources(name)]
    return _sha256("".join(lines).encode())[:16]


def layer_version(name: str, architecture: str, python: str) -> str:
    """Give the checksum of what a layer is made of, 16 digits; `modules/functions` in Terraform does the same."""
    own = Path(__file__).read_bytes()
    parts = [architecture, python, _sha256(LOCK.read_bytes()), _sha256(own), ",".join(spec()["layers"][name])]
    return _sha256(" ".join(parts).encode())[:16]


def sources(function: str) -> list[str]:
    """Give the files of a function's package, below the root: all our code, of the handlers its own."""
    found = [
        str(path.relative_to(ROOT))
        for package in ("pipeline", "sql")
        for path in (ROOT / package).rglob("*")
        if path.suffix in SUFFIXES and not path.name.startswith(".")
    ]
    others = {f"pipeline/handlers/{name}.py" for name in spec()["functions"] if name != function}
    return sorted(set(found) - others)


def _code(function: str) -> Iterator[tuple[str, bytes]]:
    return ((f"stockstream/{path}", (ROOT / path).read_bytes()) for path in sources(function))


def _layer(name: str, architecture: str, python: str) -> Iterator[tuple[str, bytes]]:
    """Install a layer's libraries, less those of the layers before it."""
    layers = spec()["layers"]
    below = [one for layer in list(layers)[: list(layers).index(name)] for one in layers[layer]]
    with tempfile.TemporaryDirectory(prefix="stockstream-") as temporary:
        target = Path(temporary) / "python"
        install(layers[name], target, architecture, python, below)
        for path in sorted(path for path in target.rglob("*") if path.is_file()):
            inside = path.relative_to(target).as_posix()
            if not UNUSED.search(inside):
                yield f"python/{inside}", path.read_bytes()


def install(requirements: Sequence[str], target: Path, architecture: str, python: str, but: Sequence[str] = ()) -> None:
    """Install libraries and what they need as `requirements.lock` has them, less what others (`but`) bring.

    Raises:
        PackageError: one cannot be had for this architecture and Python.
    """
    names = _closure(tuple(requirements), architecture, python) - _closure(tuple(but), architecture, python)
    target.mkdir(parents=True, exist_ok=True)
    options = ["--no-deps", "--require-hashes", "--no-compile-bytecode", "--link-mode", "copy", "--target", str(target)]
    _uv(["pip", "install", *options, "-r", "-"], architecture, python, "".join(_locked(names)))


@cache
def _closure(requirements: tuple[str, ...], architecture: str, python: str) -> frozenset[str]:
    """Give the names of some libraries and of all that they need."""
    options = ["-c", str(LOCK), "--no-header", "--no-annotate", "--no-emit-index-url", "-"]
    text = _uv(["pip", "compile", *options], architecture, python, "\n".join(requirements))
    return frozenset(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))


def _locked(names: Set[str]) -> Iterator[str]:
    """Give the entries of requirements.lock for some libraries, with their hashes."""
    entries = re.split(r"(?m)^(?=[a-z])", LOCK.read_text())
    return (entry for entry in entries if re.split(r"[=\[]", entry, maxsplit=1)[0] in names)


def _uv(command: list[str], architecture: str, python: str, given: str = "") -> str:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    options = [
        "--quiet",
        "--python-platform",
        PLATFORMS[architecture],
        "--python-version",
        python,
        "--only-binary",
        ":all:",
    ]
    done = subprocess.run([uv, *command, *options], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageError(f"uv {' '.join(command[:2])} for {architecture}, Python {python}: {done.stderr.strip()}")
    return done.stdout


def _zip(path: Path, files: Iterable[tuple[str, bytes]]) -> Package:
    """Write a zip whole or not at all; times, modes and order are always the same."""
    aside = path.with_suffix(".tmp")
    with zipfile.ZipFile(aside, "w") as archive:
        for name, data in files:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
            archive.writestr(entry, data, compresslevel=6)
    aside.rename(path)
    return _measured(path)


def _have(path: Path) -> Package | None:
    return _measured(path) if path.exists() else None


def _measured(path: Path) -> Package:
    with zipfile.ZipFile(path) as archive:
        return Package(path, sum(entry.file_size for entry in archive.infolist()), path.stat().st_size)


def unzipped(packages: Mapping[str, Package], function: str) -> int:
    """Give the bytes of a function with its layers, unzipped."""
    return sum(packages[name].unzipped for name in (function, *spec()["functions"][function]["layers"]))


def _check(packages: Mapping[str, Package]) -> None:
    sizes = [(f"{name} with its layers", unzipped(packages, name), UNZIPPED_LIMIT) for name in spec()["functions"]]
    sizes += [(package.path.name, package.zipped, ZIPPED_LIMIT) for package in packages.values()]
    for name, size, limit in sizes:
        if size > limit:
            raise PackageError(f"{name} has {size / 2**20:.1f} MiB: Lambda takes {limit >> 20}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main() -> None:
    """Build for one architecture and print the sizes, in MiB."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--architecture", choices=PLATFORMS, default="arm64")
    parser.add_argument("--python", default=PYTHON, help="version of the Lambda runtime")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/packages", help="where to put them")
    asked = parser.parse_args()
    try:
        made = build(asked.folder / f"{asked.architecture}-{asked.python}", asked.architecture, asked.python)
    except PackageError as error:
        sys.exit(f"error: {error}")
    print(f"{'package':<20} {'zipped':>7} {'unzipped':>9} {'with layers':>12}   (MiB)")
    for name, package in made.items():
        whole = f"{unzipped(made, name) / 2**20:>12.1f}" if name in spec()["functions"] else f"{'':>12}"
        sizes = f"{package.zipped / 2**20:>7.1f} {package.unzipped / 2**20:>9.1f}"
        print(f"{name:<20} {sizes} {whole}   {package.path.name}")
    largest = max(unzipped(made, name) for name in spec()["functions"])
    print(f"largest function with its layers: {largest / 2**20:.1f} of {UNZIPPED_LIMIT >> 20} MiB")


if __name__ == "__main__":
    main()
