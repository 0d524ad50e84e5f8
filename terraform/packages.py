"""Build the Lambda layers and function packages of `packages.json`: the same inputs result in the same bytes.

`python -m stockstream.terraform.packages` (or `make packages`) writes `build/packages/<architecture>-<python>/`: one
layer per set of libraries, pinned and verified by `requirements.lock`, and one zip file per function, with our code
except the steps and handlers of the other functions.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
SPEC = ROOT / "terraform/packages.json"
LOCK = ROOT / "requirements.lock"
PLATFORMS = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
PYTHON = "3.13"

UNZIPPED_LIMIT = 250 * 2**20
"""Maximum bytes of a function with its layers, a quota of AWS."""
ZIPPED_LIMIT = 50 * 2**20
"""Maximum bytes of one zip file, a quota of AWS for direct uploads."""

SUFFIXES = {".LICENSE", ".css", ".csv", ".jinja", ".js", ".json", ".lock", ".parquet", ".py", ".sql", ".svg"}
"""Suffixes of the files that belong to our code."""
AWS_SERVICES = {"apigatewaymanagementapi", "dynamodb", "s3", "sns", "ssm", "sso", "sso-oidc", "sts"}
"""The services of botocore that are called (of 400); sso and sts by its own chain of credentials."""
UNUSED = re.compile(
    r"(^|/)(tests?|__pycache__|include|benchmarks)/"
    r"|\.(pyi|pyc|pyx|pxd|h|hpp|c|cpp|exe)$"
    r"|^(bin|playhouse|pwiz\.py|pycparser|adbc_driver_duckdb|_duckdb-stubs|peewee-stubs)(/|$)"
    r"|^lxml/"  # yfinance requires it, but never imports it
    r"|^(aws_lambda_powertools/event_handler|boto3/data|duckdb/experimental)/"
    # What `import numpy` does not load, and neither our code nor pandas asks for.
    r"|^numpy/((f2py|fft|polynomial|testing)/|_core/(_simd|_\w+_tests)\.)|\.a$"
    # What neither `import pyarrow` nor CSV and Parquet load, and copies of a library that its loader does not look for.
    r"|^pyarrow/(src/|libarrow_(flight|s3)\.|libarrow_python_flight|_(?!(csv|fs|parquet)\.)\w+\.cpython)|^pyarrow/.*\.pxi$"
    r"|^pyarrow/(libarrow_python\w*\.so$|libarrow_python\w*\.so\.\d+\.)"
    r"|\.dist-info/(?!METADATA|entry_points)"  # RECORD and such differ from one installation to the next
    r"|^\.lock$"
    rf"|^botocore/data/(?!({'|'.join(sorted(AWS_SERVICES))})/)[^/]+/"
)
"""Paths in the layers that no function needs."""
LIBRARY = re.compile(r"\.so(\.\d+)*$")
"""Names of shared libraries; extensions of DuckDB are others, as their signatures are after the last segment."""


@dataclass(frozen=True)
class Package:
    """A zip file, with its size in bytes, unzipped and zipped."""

    path: Path
    unzipped: int
    zipped: int


class PackageError(RuntimeError):
    """A package cannot be built, or AWS would refuse it."""


@cache
def spec() -> dict[str, Any]:
    """Return `packages.json`: the requirements per layer; per function among others memory (MB) and timeout (s)."""
    return json.loads(SPEC.read_text())  # type: ignore[no-any-return]


def functions() -> dict[str, Any]:
    """Return the functions by name: those of the state machine, of the speed layer and of the serving layer."""
    return {**spec()["functions"], **spec()["live_functions"], **spec()["serving_functions"]}


def build(folder: Path, architecture: str, python: str = PYTHON) -> dict[str, Package]:
    """Build the packages that do not exist yet; return all packages by name, layers first.

    A file's name contains the checksum of its inputs, which Terraform computes as well: `fetch_batch-0f1e2d3c.zip`.
    Processes that build into the same folder wait for each other, so that each package is built once.

    Raises:
        PackageError: A library is not available, or a function with its layers is too large for Lambda.
    """
    folder.mkdir(parents=True, exist_ok=True)
    packages = {}
    with FileLock(folder / ".lock"):
        for name in spec()["layers"]:
            path = folder / f"{name}-{layer_version(name, architecture, python)}.zip"
            packages[name] = _existing(path) or _zip(path, _layer(name, architecture, python))
        for name in functions():
            path = folder / f"{name}-{function_version(name)}.zip"
            packages[name] = _existing(path) or _zip(path, _code(name))
    _check_sizes(packages)
    return packages


def handler(name: str) -> str:
    """Return the handler of a function, as Lambda's configuration states it."""
    function = functions()[name]
    return f"stockstream.{function.get('package', 'pipeline.handlers')}.{function['handler']}"


def function_version(name: str) -> str:
    """Return the checksum of a function's code, 16 digits, as `modules/functions/packages.tf` computes it."""
    lines = [f"{path} {_sha256((ROOT / path).read_bytes())}\n" for path in sources(name)]
    return _sha256("".join(lines).encode())[:16]


def layer_version(name: str, architecture: str, python: str) -> str:
    """Return the checksum of a layer's inputs, 16 digits, as `modules/functions/packages.tf` computes it."""
    builder = Path(__file__).read_bytes()
    layers = json.dumps(spec()["layers"], sort_keys=True, separators=(",", ":"))  # a layer lacks what others have
    parts = [architecture, python, _sha256(LOCK.read_bytes()), _sha256(builder), name, layers]
    return _sha256(" ".join(parts).encode())[:16]


def sources(function: str) -> list[str]:
    """Return the files of a function's package, relative to the root: our code without other functions' steps.

    In `packages.json`, `parts` are the modules that belong to a step besides its own, and `folders` those of our code
    besides pipeline and sql.
    """
    files = {
        str(path.relative_to(ROOT))
        for package in ("pipeline", "sql", *functions()[function].get("folders", ()))
        for path in (ROOT / package).rglob("*")
        if path.suffix in SUFFIXES and not path.name.startswith(".")
    }
    others = [step for name, one in functions().items() if name != function for step in (name, *one.get("parts", ()))]
    return sorted(files - {f"pipeline/{folder}/{name}.py" for folder in ("handlers", "steps") for name in others})


def _code(function: str) -> Iterator[tuple[str, bytes]]:
    """Yield our code, and its version, which the description of the HTTP interface has."""
    yield from ((f"stockstream/{path}", (ROOT / path).read_bytes()) for path in sources(function))
    if function in spec()["serving_functions"]:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        name, version = project["name"], project["version"]
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        yield f"{name.replace('-', '_')}-{version}.dist-info/METADATA", metadata.encode()


def _layer(name: str, architecture: str, python: str) -> Iterator[tuple[str, bytes]]:
    """Install a layer's libraries, without those of the layers before it."""
    layers = spec()["layers"]
    below = [one for layer in list(layers)[: list(layers).index(name)] for one in layers[layer]]
    with tempfile.TemporaryDirectory(prefix="stockstream-") as temporary:
        target = Path(temporary) / "python"
        install(layers[name], target, architecture, python, below)
        for path in sorted(path for path in target.rglob("*") if path.is_file()):
            relative = path.relative_to(target).as_posix()
            if not UNUSED.search(relative):
                data = path.read_bytes()
                yield f"python/{relative}", _stripped(data) if LIBRARY.search(path.name) else data


def _stripped(library: bytes) -> bytes:
    """Return a shared library (ELF, 64 bits) up to its last segment: what follows, only linkers and debuggers read."""
    if not library.startswith(b"\x7fELF\x02\x01"):
        return library
    (table,) = struct.unpack_from("<Q", library, 32)
    size, number = struct.unpack_from("<HH", library, 54)
    segments = [table + at * size for at in range(number)]
    ends = [sum(struct.unpack_from("<8xQ16xQ", library, segment)) for segment in segments]
    header = bytearray(library[:64])
    struct.pack_into("<Q", header, 40, 0)  # where the table of sections would be, and how many there are
    struct.pack_into("<HH", header, 60, 0, 0)
    return bytes(header) + library[64 : max(table + number * size, *ends)]


def install(
    requirements: Sequence[str], target: Path, architecture: str, python: str, without: Sequence[str] = ()
) -> None:
    """Install libraries and their dependencies as pinned in `requirements.lock`, except those of `without`.

    Raises:
        PackageError: A library is not available for this architecture and Python version.
    """
    names = _closure(tuple(requirements), architecture, python) - _closure(tuple(without), architecture, python)
    target.mkdir(parents=True, exist_ok=True)
    options = ["--no-deps", "--require-hashes", "--no-compile-bytecode", "--link-mode", "copy", "--target", str(target)]
    _uv(["pip", "install", *options, "-r", "-"], architecture, python, "".join(_locked(names)))


def _closure(requirements: Sequence[str], architecture: str, python: str) -> frozenset[str]:
    """Return the names of libraries and of all their dependencies."""
    layers = spec()["layers"].values()
    needs = _needs(tuple(sorted({*requirements, *(name for layer in layers for name in layer)})), architecture, python)
    names: set[str] = set()
    queue = list(requirements)
    while queue:
        name = queue.pop()
        if name not in names:
            names.add(name)
            queue += needs[name]
    return frozenset(names)


@cache
def _needs(requirements: tuple[str, ...], architecture: str, python: str) -> Mapping[str, Set[str]]:
    """Return the direct dependencies of each library, and of each dependency: uv asks the index for each, once.

    Raises:
        PackageError: A library is not available for this architecture and Python version.
    """
    options = ["-c", str(LOCK), "--no-header", "--annotation-style", "line", "--no-emit-index-url", "-"]
    text = _uv(["pip", "compile", *options], architecture, python, "\n".join(requirements))
    needs: dict[str, set[str]] = defaultdict(set)
    for name, parents in re.findall(r"^([a-z0-9._-]+)==\S+(?: *; .*?)? *# via (.*)$", text, re.MULTILINE):
        needs[name] = needs[name]
        for parent in parents.split(", "):
            needs[parent].add(name)
    return needs


def _locked(names: Set[str]) -> Iterator[str]:
    """Return the entries of requirements.lock for libraries, with their hashes."""
    entries = re.split(r"(?m)^(?=[a-z])", LOCK.read_text())
    return (entry for entry in entries if re.split(r"[=\[]", entry, maxsplit=1)[0] in names)


def _uv(command: list[str], architecture: str, python: str, text: str = "") -> str:
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
    process = subprocess.run([uv, *command, *options], input=text, capture_output=True, text=True, check=False)
    if process.returncode:
        raise PackageError(f"uv {' '.join(command[:2])} for {architecture}, Python {python}: {process.stderr.strip()}")
    return process.stdout


def _zip(path: Path, files: Iterable[tuple[str, bytes]]) -> Package:
    """Write a zip file atomically; times, modes and order are always the same."""
    temporary = path.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w") as archive:
        for name, data in files:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
            archive.writestr(entry, data, compresslevel=6)
    temporary.rename(path)
    return _measured(path)


def _existing(path: Path) -> Package | None:
    return _measured(path) if path.exists() else None


def _measured(path: Path) -> Package:
    with zipfile.ZipFile(path) as archive:
        return Package(path, sum(entry.file_size for entry in archive.infolist()), path.stat().st_size)


def unzipped(packages: Mapping[str, Package], function: str) -> int:
    """Return the bytes of a function with its layers, unzipped."""
    return sum(packages[name].unzipped for name in (function, *functions()[function]["layers"]))


def _check_sizes(packages: Mapping[str, Package]) -> None:
    sizes = [(f"{name} with its layers", unzipped(packages, name), UNZIPPED_LIMIT) for name in functions()]
    sizes += [(package.path.name, package.zipped, ZIPPED_LIMIT) for package in packages.values()]
    for name, size, limit in sizes:
        if size > limit:
            raise PackageError(f"{name} has {size / 2**20:.1f} MiB: the limit of Lambda is {limit >> 20}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main() -> None:
    """Build the packages for one architecture and print their sizes in MiB."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--architecture", choices=PLATFORMS, default="arm64")
    parser.add_argument("--python", default=PYTHON, help="version of the Lambda runtime")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/packages", help="output folder")
    options = parser.parse_args()
    folder = options.folder / f"{options.architecture}-{options.python}"
    try:
        packages = build(folder, options.architecture, options.python)
    except PackageError as error:
        sys.exit(f"error: {error}")
    print(f"{'package':<20} {'zipped':>7} {'unzipped':>9} {'with layers':>12}   (MiB)")
    for name, package in packages.items():
        total = f"{unzipped(packages, name) / 2**20:>12.1f}" if name in functions() else f"{'':>12}"
        sizes = f"{package.zipped / 2**20:>7.1f} {package.unzipped / 2**20:>9.1f}"
        print(f"{name:<20} {sizes} {total}   {package.path.name}")
    largest = max(unzipped(packages, name) for name in functions())
    print(f"largest function with its layers: {largest / 2**20:.1f} of {UNZIPPED_LIMIT >> 20} MiB")


if __name__ == "__main__":
    main()
