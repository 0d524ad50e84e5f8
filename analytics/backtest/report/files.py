"""Writes the files of a result. Equal results are written as equal bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stockstream.analytics.backtest.model import ClosedPosition, Curve, LedgerEntry, Order, Result, Transaction
from stockstream.analytics.backtest.report.page import render
from stockstream.analytics.backtest.report.tables import types_of, write_table
from stockstream.analytics.backtest.stats import cautions, monte_carlo
from stockstream.sql.errors import LakeError

ORDER_COLUMNS = {"id": "BIGINT", "symbol": "VARCHAR", "kind": "VARCHAR"} | types_of(Order)
"""SQL type per column of the file of orders."""


def write_result(result: Result, folder: Path, parts: Mapping[str, Result] | None = None) -> list[Path]:
    """Write report.html, result.json, and trades, transactions, orders, ledger and equity as CSV and Parquet.

    Return the paths. `parts` are the results of the strategies of a blend, by name; each has a folder of its own.

    Raises:
        LakeError: the folder is not writable.
    """
    trades, trade_types = trade_rows(result)
    fills = [fill._asdict() for fill in result.transactions]
    paths = write_table(trades, trade_types, folder / "trades")
    paths += write_table(fills, types_of(Transaction), folder / "transactions")
    paths += write_table([_row(order) for order in result.orders], ORDER_COLUMNS, folder / "orders")
    paths += write_table([entry._asdict() for entry in result.ledger], types_of(LedgerEntry), folder / "ledger")
    paths += _write_equity(result.curve, folder)
    try:
        for name, text in (("result.json", to_json(result, parts)), ("report.html", render(result, parts))):
            (folder / name).write_text(text, encoding="utf-8")
            paths.append(folder / name)
    except OSError as error:
        raise LakeError(f"cannot write to {folder}: {error.strerror or error}") from None
    for name, part in (parts or {}).items():
        paths += write_result(part, folder / name)
    return paths


def trade_rows(result: Result) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the rows of the closed trades and the SQL types of their columns, with MAE and MFE if there are any."""
    rows: list[dict[str, Any]] = [trade._asdict() for trade in result.closed_positions]
    types = types_of(ClosedPosition)
    if result.history is None:
        return rows, types
    for row, excursion in zip(rows, result.history.excursions, strict=True):
        row |= {"mae": excursion and excursion.adverse, "mfe": excursion and excursion.favourable}
    return rows, types | {"mae": "DOUBLE", "mfe": "DOUBLE"}


def _row(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in ORDER_COLUMNS}


def _write_equity(curve: Curve, folder: Path) -> list[Path]:
    columns = {name: getattr(curve, name).tolist() for name in ("equity", "cash", "long", "short")}
    if curve.benchmark is not None:
        columns["benchmark"] = [None if value != value else value for value in curve.benchmark.tolist()]
    types = {"date": "DATE", **dict.fromkeys(columns, "DOUBLE")}
    rows = zip(curve.dates, *columns.values(), strict=True)
    return write_table([dict(zip(types, row, strict=True)) for row in rows], types, folder / "equity")


def to_json(result: Result, parts: Mapping[str, Result] | None = None) -> str:
    """Return the result as JSON text, without the curve, trades and fills, which have their own files.

    `parts` are the results of the strategies of a blend, by name.
    """
    document = _document(result)
    if parts is not None:
        document["parts"] = {name: _document(part) for name, part in parts.items()}
    return json.dumps(document, indent=2, default=str) + "\n"


def _document(result: Result) -> dict[str, Any]:
    return {
        "setup": result.setup,
        "metrics": result.metrics,
        "costs": asdict(result.costs),
        "open_positions": [asdict(position) for position in result.open_positions],
        "cautions": cautions(len(result.curve.dates), result.metrics),
        "monte_carlo": {name: asdict(part) for name, part in monte_carlo(result).items()},
        "notes": [asdict(note) for note in result.notes],
        "error": result.error,
        "provenance": result.provenance,
    }
