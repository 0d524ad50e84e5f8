"""Files: the cost of an import, from a file or a folder of daily files to the published lake."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from tests.benchmarks._harness import Figure, main
from tests.benchmarks._synthetic import sessions

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "data" / "ohlcv" / "asx_yahoo_2020_2021.parquet"
"""722,988 real bars, beside the checkout in CI; left out elsewhere."""
MAX_CPU, MAX_MB = 150, 1200
_MEASURE = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stdout + done.stderr, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
"""Runs a command in a process whose only child it is, so that the peak of memory is that command's."""


def measure(quick: bool) -> Iterator[Figure]:
    symbols, count = (100, 20) if quick else (10_725, 243)
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder:
        daily = Path(folder) / "daily"
        write_daily_files(daily, symbols, sessions(count))
        name = f"{symbols * count:,} rows in {count} daily files without a header"
        goals = (None, None) if quick else (MAX_CPU, MAX_MB)
        yield from _import(name, daily, "US", *goals)
        if REAL.exists() and not quick:
            yield from _import("722,988 real rows, Parquet", REAL, "ASX")


def write_daily_files(folder: Path, symbols: int, days: list[date]) -> None:
    """Write one file per day as EODData does: symbol, date, open, high, low, close, volume."""
    folder.mkdir()
    rng = random.Random(1)
    names = [_code(number) for number in range(symbols)]
    prices = [rng.uniform(1, 300) for _ in names]
    for day in days:
        with (folder / f"NYSE_{day:%Y%m%d}.txt").open("w") as file:
            for number, name in enumerate(names):
                before = prices[number]
                close = prices[number] = max(0.05, before * (1 + rng.gauss(0, 0.02)))
                high, low = max(before, close) * 1.01, min(before, close) * 0.99
                values = f"{before:.2f},{high:.2f},{low:.2f},{close:.2f},{rng.randrange(1000, 9_000_000)}"
                file.write(f"{name},{day:%Y%m%d},{values}\n")


def _code(number: int) -> str:
    return "".join(chr(65 + number // 26**place % 26) for place in (3, 2, 1, 0))


def _import(
    name: str, path: Path, market: str, max_cpu: float | None = None, max_mb: float | None = None
) -> Iterator[Figure]:
    """Import files with the command, including the start of the process."""
    with tempfile.TemporaryDirectory(prefix="stockstream-benchmark-") as folder:
        code = "from stockstream.analytics.cli import main; main()"
        command = [sys.executable, "-c", code, "run", "--source", f"files:{path}", "--market", market]
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, *command, "--lake", f"{folder}/lake"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT / ".dev")},
            capture_output=True,
            text=True,
            check=True,
        )
    code_of_exit, output, cpu, megabytes = json.loads(done.stdout)
    if code_of_exit:
        raise RuntimeError(f"{' '.join(command[3:])} ended with {code_of_exit}:\n{output}")
    yield Figure(f"{name}: CPU", cpu, "CPU s", max_cpu)
    yield Figure(f"{name}: peak memory", megabytes, "MB", max_mb)


if __name__ == "__main__":
    main("Importing files", measure)
