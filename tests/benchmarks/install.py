"""From a clone to the first query: what is installed, how large it is, and the time, beside other tools for such data.

    python -m tests.benchmarks.install

Each installation is a virtual environment of its own, made by pip from the index that it is configured for, with an
empty cache; the time of the network is in the wall seconds. Uncommitted changes of the checkout are not measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks._harness import Figure, main, spent

ROOT = Path(__file__).parents[2]
QUERY = "SELECT count(*) FROM bars"
MAX_MEGABYTES, MAX_DISTRIBUTIONS, MAX_DEMO = 220, 25, 60
"""The smallest installation, and CPU seconds of `make demo`."""
PEERS = {
    "datasette": ("datasette==0.65.1", "datasette", "--version"),
    "ArcticDB": ("arcticdb", "python", "-c", "import arcticdb"),
    "OpenBB": ("openbb", "python", "-c", "from openbb import obb"),
}
"""What is installed, and a first command that needs no data."""


def measure(quick: bool) -> Iterator[Figure]:
    """Measure the smallest installation, and all extras, the demo and the peers in full size."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        os.environ |= {
            "PIP_CACHE_DIR": f"{name}/pip",
            "STOCKSTREAM_CACHE": f"{name}/cache",
            "PYTHONDONTWRITEBYTECODE": "",
        }
        clone = folder / "clone"
        run("git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(clone))
        lake = str(folder / "lake")
        run(str(Path(sys.executable).parent / "stockstream"), "demo", "--lake", lake)
        query = ("stockstream", "query", QUERY, "--lake", lake)
        yield from _installed(folder, "pip install .", (str(clone), *query), MAX_MEGABYTES, MAX_DISTRIBUTIONS)
        if quick:
            return
        yield from _installed(folder, 'pip install ".[all]"', (f"{clone}[all]", *query))
        yield from _figures("make demo", clone / ".venv", lambda: run("make", "-C", str(clone), "demo"), cpu=MAX_DEMO)
        for peer, install in PEERS.items():
            yield from _installed(folder, peer, install)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _installed(
    folder: Path, name: str, install: tuple[str, ...], megabytes: float | None = None, count: float | None = None
) -> Iterator[Figure]:
    """Install a requirement into an environment of its own, and run a first command from there."""
    requirement, program, *arguments = install
    venv = Path(tempfile.mkdtemp(dir=folder))

    def work() -> None:
        run(sys.executable, "-m", "venv", str(venv))
        run(str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement)
        run(str(venv / "bin" / program), *arguments)

    yield from _figures(f"{name}, and its first command", venv, work, megabytes, count)


def _figures(
    name: str,
    venv: Path,
    work: Callable[[], None],
    megabytes: float | None = None,
    count: float | None = None,
    cpu: float | None = None,
) -> Iterator[Figure]:
    """Run some work that makes an environment, and measure both."""
    time = spent(work)
    yield Figure(name, time.cpu, "CPU s", cpu)
    yield Figure(name, time.wall, "s")
    size = sum(path.stat().st_size for path in venv.rglob("*") if path.is_file() and not path.is_symlink())
    yield Figure(name, size / 2**20, "MiB", megabytes)
    yield Figure(name, len(list(venv.glob("lib/*/site-packages/*.dist-info"))), "distributions", count)


if __name__ == "__main__":
    main("From a clone to the first query", measure)
