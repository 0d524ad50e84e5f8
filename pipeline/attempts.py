"""The attempts of a batch in a run of the state machine, kept in `state/runs/`: the state itself has only counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stockstream.pipeline.events import Batch, BatchResult, FetchBatchEvent, SummariseEvent
from stockstream.pipeline.lake import Lake, run_key

OLD_NAMES = {
    "firstDate": "first_date",
    "lastDate": "last_date",
    "upToDate": "up_to_date",
    "openSession": "open_session",
}
"""Of records of a run that was under way while the functions were upgraded."""


def record_attempt(lake: Lake, event: FetchBatchEvent, result: BatchResult) -> None:
    """Append an attempt's result to the batch's record; do nothing for an event without `run` (a manual call)."""
    run, day = event.get("run"), event.get("date")
    if run and day:
        key = run_key(day, run, f"batch-{event.get('batchNumber')}")
        lake.update(key, lambda before: as_json([*(json.loads(before.data) if before else []), result]))


def attempts_of(
    lake: Lake, event: SummariseEvent, batch: Batch, outcome: Mapping[str, Any] | None
) -> list[BatchResult]:
    """Return the result of each attempt of a batch, such that their sums count nothing twice.

    `outcome` is what the state machine has of the batch: a result, an error, or None if it was not fetched.
    """
    stored = lake.store.get(run_key(event["date"], event["run"], f"batch-{batch['batchNumber']}"))
    attempts = _read(stored.data) if stored else []
    if not attempts or outcome is None:
        reason = reason_of(outcome) if outcome else "was not fetched"
        return [*attempts, failed_batch(batch, reason)][-1:]
    for later in attempts[1:]:  # symbols that are up to date only because an earlier attempt has fetched them
        later["up_to_date"] = 0
    for earlier in attempts[:-1]:  # what is missing counts after the last attempt only
        earlier["symbols"], earlier["missing"], earlier["open_session"] = 0, [], 0
    return attempts


def _read(record: bytes) -> list[BatchResult]:
    return [{OLD_NAMES.get(key, key): value for key, value in one.items()} for one in json.loads(record)]  # type: ignore[misc]


def failed_batch(batch: Batch, reason: str) -> BatchResult:
    """Return the result of a batch that failed as a whole: all its symbols are missing."""
    return {
        "batchNumber": batch["batchNumber"],
        "date": None,
        "key": None,
        "rows": 0,
        "first_date": None,
        "last_date": None,
        "symbols": len(batch["symbols"]),
        "up_to_date": 0,
        "open_session": 0,
        "missing": [{"symbol": symbol, "reason": reason} for symbol in batch["symbols"]],
        "stopped": None,
    }


def reason_of(error: Mapping[str, str]) -> str:
    """Return one line for an error as Step Functions reports it: its name, and the message if it is a Lambda's."""
    try:
        cause = json.loads(error["Cause"])["errorMessage"]
    except (KeyError, TypeError, ValueError):
        cause = error.get("Cause") or "no reason is known"
    return f"{error.get('Error', 'failed')}: {cause}"


def as_json(value: Any) -> bytes:
    """Return a value as the bytes of a JSON file, indented for people."""
    return (json.dumps(value, indent=1) + "\n").encode()
