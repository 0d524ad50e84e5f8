"""`stockstream run --metrics-file`: figures of the last run, for the textfile collector of node exporter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from stockstream.pipeline.generations import head_as_it_is
from stockstream.pipeline.lake import Lake
from stockstream.sql.errors import StockStreamError, UsageError
from stockstream.sql.extras import require

RESULTS = {
    "symbols": "Symbols that the run was about.",
    "up_to_date": "Symbols that needed no request.",
    "rows": "Rows that the run has stored.",
}
LENGTHS = {
    "missing": "Symbols whose bars could not be fetched.",
    "stale": "Silver tables that are older than the bars.",
}


def require_metrics(path: Path) -> None:
    """Check that metrics can be written to a file.

    Raises:
        UsageError: the package is not installed, the name does not end with .prom, or the folder does not exist.
    """
    require("prometheus_client", by="--metrics-file")
    if path.suffix != ".prom":
        raise UsageError(f"--metrics-file {path}: node exporter reads files whose names end with .prom")
    if not path.parent.is_dir():
        raise UsageError(f"--metrics-file {path}: there is no folder {path.parent}")


def write_metrics(path: Path, lake: str, code: int, result: Mapping[str, Any] | None) -> None:
    """Replace a file by the figures of a run, as a whole.

    Raises:
        OSError: it cannot be written.
    """
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()

    def gauge(name: str, text: str, value: float) -> None:
        Gauge(f"stockstream_{name}", text, ("lake",), registry=registry).labels(lake).set(value)

    now = datetime.now(UTC).timestamp()
    gauge("run_exit_code", "0 complete, 3 complete but for what is missing, others: failed.", code)
    gauge("run_end_timestamp_seconds", "When the last run ended, however it did.", now)
    if result is not None:
        gauge("run_duration_seconds", "How long the run took.", result["seconds"])
        for name, text in RESULTS.items():
            gauge(f"run_{name}", text, result[name])
        for name, text in LENGTHS.items():
            gauge(f"run_{name}", text, len(result[name]))
        quarantined = sum(group["values"] for group in result["quarantined"])
        gauge("run_quarantined_values", "Values that are not used; FROM quarantine lists them.", quarantined)
    generation, newest = _published(lake)
    if generation is not None:
        gauge("lake_generation", "Number of the newest generation.", generation)
    if newest is not None:
        gauge("lake_newest_bar_timestamp_seconds", "Start of the day (UTC) of the newest published bar.", newest)
    write_to_textfile(str(path), registry)


def _published(lake: str) -> tuple[int | None, float | None]:
    """Return the newest generation and the time of its newest bar; None for what cannot be read, or is not there."""
    try:
        manifest = head_as_it_is(Lake(lake))
    except StockStreamError:
        return None, None
    days = [file.last_date for file in manifest.table("bars").files if file.last_date]
    if not days:
        return manifest.generation, None
    return manifest.generation, datetime.combine(max(days), time(), UTC).timestamp()
