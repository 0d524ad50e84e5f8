"""Records of every attempt to fetch a batch, stored in `state/runs/`.

The state of an execution is limited in size, so the Lambda function returns only counts. The symbols that are missing,
with their reasons, are in these records.
"""

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
"""Present key by the key that earlier versions wrote: an upgrade can happen in the middle of an execution."""


def record_attempt(lake: Lake, event: FetchBatchEvent, result: BatchResult) -> None:
    """Append an attempt's result to the batch's record; do nothing for an event without `run` (a manual call).

    Raises:
        LakeError: the record cannot be written.
    """
    run, day = event.get("run"), event.get("date")
    if run and day:
        key = run_key(day, run, f"batch-{event.get('batchNumber')}")
        lake.update(key, lambda before: as_json([*(json.loads(before.data) if before else []), result]))


def attempts_of(
    lake: Lake, event: SummariseEvent, batch: Batch, outcome: Mapping[str, Any] | None
) -> list[BatchResult]:
    """Return the result of each attempt of a batch, corrected so that their figures can be added up.

    `outcome` is the batch's entry in the state of the execution: a result, an error, or None if it was not fetched. A
    batch without records has one result, in which all its symbols are missing.

    Raises:
        LakeError: the record cannot be read.
    """
    stored = lake.store.get(run_key(event["date"], event["run"], f"batch-{batch['batchNumber']}"))
    attempts = _read(stored.data) if stored else []
    if not attempts or outcome is None:
        reason = reason_of(outcome) if outcome else "was not fetched"
        return [*attempts, failed_batch(batch, reason)][-1:]
    for later in attempts[1:]:  # an earlier attempt fetched these symbols and has counted them
        later["up_to_date"] = 0
    for earlier in attempts[:-1]:  # the last attempt counts all symbols of the batch
        earlier["symbols"], earlier["missing"], earlier["open_session"] = 0, [], 0
    return attempts


def _read(record: bytes) -> list[BatchResult]:
    attempts: list[BatchResult] = [
        {OLD_NAMES.get(key, key): value for key, value in one.items()}  # type: ignore[misc]
        for one in json.loads(record)
    ]
    for attempt in attempts:
        attempt.setdefault("quarantined", [])
    return attempts


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
        "quarantined": [],
        "stopped": None,
    }


def reason_of(error: Mapping[str, str]) -> str:
    """Return an error as one line: its name, and the message of the Lambda function or the cause.

    `error` is `{"Error", "Cause"}`, as Step Functions reports it.
    """
    try:
        cause = json.loads(error["Cause"])["errorMessage"]
    except (KeyError, TypeError, ValueError):
        cause = error.get("Cause") or "no reason is known"
    return f"{error.get('Error', 'failed')}: {cause}"


def as_json(value: Any) -> bytes:
    """Return a value as the bytes of a JSON file, indented for people."""
    return (json.dumps(value, indent=1) + "\n").encode()
