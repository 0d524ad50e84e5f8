"""The process of one run: `python -m stockstream.analytics.serving.backtests.child FD`.

Standard input has the order as one line of JSON, and stays open as long as the server lives: at its end this process
ends. What it reports are lines of JSON, written to the file descriptor FD: `sessions`, `saved`, `strategies`, `error`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stockstream.analytics.serving.backtests.description import described
from stockstream.analytics.serving.backtests.redaction import without_paths

Report = Callable[[dict[str, Any]], None]
PROGRESS_SECONDS = 0.1
MAX_FILE_BYTES = 2_000_000_000


def main() -> None:
    """Carry out the order of standard input."""
    out = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
    order = json.loads(sys.stdin.buffer.readline())
    _limit(order["limits"])
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    lock = threading.Lock()

    def report(message: dict[str, Any]) -> None:
        with lock:
            out.write(json.dumps(message) + "\n")
            out.flush()

    from stockstream.sql.errors import StockStreamError

    try:
        if "describe" in order:
            report({"strategies": _strategies(Path(order["describe"]))})
        else:
            _run(order, report)
    except StockStreamError as error:
        report({"error": without_paths(str(error))})
    except MemoryError:
        report({"error": _out_of_memory(order)})
    except Exception as error:
        import duckdb

        is_memory = isinstance(error, duckdb.OutOfMemoryException)
        text = _out_of_memory(order) if is_memory else f"{type(error).__name__}: {error}"
        report({"error": without_paths(text)})


def _strategies(path: Path) -> dict[str, Any]:
    from stockstream.analytics.backtest.model.files import module_of
    from stockstream.analytics.backtest.model.strategy import strategies_in

    return {name: described(kind) for name, kind in strategies_in(module_of(path)).items()}


def _run(order: dict[str, Any], report: Report) -> None:
    """Run a strategy, and write the files of its result to the folder of the order.

    Raises:
        StockStreamError: the strategy or a setting is refused, or the lake cannot be read.
    """
    from stockstream.analytics.backtest.report import write_result
    from stockstream.analytics.backtest.runs import backtest, find_strategy, make_strategy

    reported = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal reported
        if done == total or time.monotonic() - reported > PROGRESS_SECONDS:
            reported = time.monotonic()
            report({"sessions": [done, total]})

    strategy = make_strategy(find_strategy(order["strategy"]), order["params"])
    options = {"as_of": order["generation"], "with_history": True, "on_sessions": progress}
    result = backtest(strategy, order["lake"], **options, **order["settings"])
    error = None if result.error is None else without_paths(result.error)
    lake = without_paths(str(result.provenance["lake"]))
    write_result(replace(result, error=error, provenance={**result.provenance, "lake": lake}), Path(order["folder"]))
    report({"saved": True, "failure": error})


def _out_of_memory(order: dict[str, Any]) -> str:
    return f"the run needs more than {order['limits']['megabytes']} MB of memory: choose fewer symbols or days"


def _limit(limits: dict[str, Any]) -> None:
    """Limit memory, CPU time and the size of files, for this process and each that it starts."""
    seconds = int(limits["seconds"]) * (os.cpu_count() or 1) + 1
    for kind, value in (
        (resource.RLIMIT_DATA, limits["megabytes"] * 1_000_000),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _end_with_the_server() -> None:
    """Wait for the end of standard input, which the server holds open; then end the group of this process."""
    while os.read(0, 1):  # sys.stdin would be locked at the end of the interpreter
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
