"""Step 7, the last: what a run did and what is missing, for a person and into the lake."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from stockstream.pipeline.lake import Lake, run_key
from stockstream.pipeline.markets import Market

Event = dict[str, Any]
Result = dict[str, Any]

PUBLISHING = ("metadata", "consolidate", "resample", "indicators", "check")
NAMED, REASONS = 100, 50
"""So many symbols are named for a reason in a message, and so many reasons; the summary in the lake has all."""


def record_batch(lake: Lake, event: Event, result: Result) -> None:
    """Keep what a try of a batch came to, beside the tries before: the state machine hands on counts only.

    Of an event without `run`, somebody's direct invocation, nothing is kept.
    """
    if not event.get("run"):
        return
    key = run_key(event["date"], event["run"], f"batch-{event['batchNumber']}")
    lake.update(key, lambda before: _json([*(json.loads(before.data) if before else []), result]))


def summarise(event: Event, lake: Lake, market: Market, source: str, environment: str) -> Result:
    """Put a run's summary into the lake as `state/runs/DATE/RUN/summary.json`.

    `event` is what the state machine has come to: `run`, `date`, `symbolBatches`, `directory`; `batches`, of each what
    its handler gave or `{"batchNumber", "Error", "Cause"}`; what each later step gave, under its name; and `failure`,
    the errors of steps by name. Gives `{"status", "key", "symbols", "rows", "missing" (how many), "subject",
    "message"}`, the last two for a person.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    failures = {step: _reason(error) for step, error in event.get("failure", {}).items()}
    bad_checks = {f"check {one['check']}": one["first"] for one in event.get("check", {}).get("failed", [])}
    refused = "; ".join(f"{step}: {reason}" for step, reason in {**failures, **bad_checks}.items()) or None
    outcomes = {outcome["batchNumber"]: outcome for outcome in event.get("batches", [])}
    results = [
        result
        for batch in event.get("symbolBatches", [])
        for result in _tries(lake, event, batch, outcomes.get(batch["batchNumber"]))
    ]
    summary = summary_of(results, event.get("directory"), lake, source, market, event["date"])
    summary |= {step: event[step] for step in PUBLISHING if step in event}
    summary |= {"run": event["run"], "environment": environment, "refused": refused}
    summary["status"] = "failed" if refused else summary["status"]
    key = run_key(event["date"], event["run"], "summary")
    lake.update(key, lambda _: _json(summary))
    return {
        **{name: summary[name] for name in ("status", "symbols", "rows")},
        "key": key,
        "missing": len(summary["missing"]),
        "subject": f"stockstream {environment}: {market.name} {event['date']} {summary['status']}",
        "message": _message(summary, lake.store.uri(key)),
    }


def summary_of(
    results: Sequence[Result], directory: Result | None, lake: Lake, source: str, market: Market, day: str
) -> Result:
    """Add up what the batches came to; `status` is `complete`, `partial` (some symbols missing) or `failed` (all)."""
    missing = [item for result in results for item in result["missing"]]
    total = sum(result["symbols"] for result in results)
    dates = [result[end] for result in results for end in ("firstDate", "lastDate") if result.get(end)]
    status = "complete" if not missing else "failed" if len(missing) >= total else "partial"
    if status == "failed" and any(result.get("rows") for result in results):
        status = "partial"
    return {
        "status": status,
        "lake": lake.uri,
        "market": market.name,
        "source": source,
        "date": day,
        "directory": directory,
        "symbols": total,
        "upToDate": sum(result.get("upToDate", 0) for result in results),
        "batches": len({result["batchNumber"] for result in results}),
        "files": [result["key"] for result in results if result.get("key")],
        "rows": sum(result.get("rows", 0) for result in results),
        "firstDate": min(dates, default=None),
        "lastDate": max(dates, default=None),
        "openSession": sum(result.get("openSession", 0) for result in results),
        "missing": missing,
    }


def missing_batch(batch: Event, reason: str) -> Result:
    """Give the result of a batch that failed as a whole."""
    missing = [{"symbol": symbol, "reason": reason} for symbol in batch["symbols"]]
    return {"batchNumber": batch["batchNumber"], "symbols": len(missing), "missing": missing}


def _tries(lake: Lake, event: Event, batch: Event, outcome: Result | None) -> list[Result]:
    """Give what each try of a batch came to, so that nothing is counted twice."""
    stored = lake.store.get(run_key(event["date"], event["run"], f"batch-{batch['batchNumber']}"))
    tries: list[Result] = json.loads(stored.data) if stored else []
    if not tries or outcome is None:
        return [*tries, missing_batch(batch, _reason(outcome) if outcome else "was not fetched")][-1:]
    # What is missing is missing after the last try; what was up to date was so before the first.
    earlier = [{**one, "symbols": 0, "missing": [], "openSession": 0} for one in tries[:-1]]
    return [{**one, "upToDate": one["upToDate"] if n == 0 else 0} for n, one in enumerate([*earlier, tries[-1]])]


def _reason(error: Result) -> str:
    """Say in one line what Step Functions tells of an error: its name, and a Lambda's message where it is one."""
    try:
        cause = json.loads(error["Cause"])["errorMessage"]
    except (KeyError, TypeError, ValueError):
        cause = error.get("Cause") or "no reason is known"
    return f"{error.get('Error', 'failed')}: {cause}"


def _message(summary: Result, uri: str) -> str:
    """Write what failed and where, for an e-mail."""
    by_reason = defaultdict(list)
    for item in summary["missing"]:
        by_reason[item["reason"]].append(item["symbol"])
    lines = [f"Run {summary['run']} of {summary['date']} on {summary['lake']}: {summary['status']}."]
    if summary["refused"]:
        lines.append(f"Failed: {summary['refused']}")
    if (directory := summary["directory"]) and directory["refused"]:
        lines.append(f"The directory was refused, the list of {directory['listOf']} was used: {directory['refused']}")
    lines.append(
        f"{len(summary['missing'])} of {summary['symbols']} symbols are missing, {summary['rows']} rows stored."
    )
    for reason, symbols in list(by_reason.items())[:REASONS]:
        more = f" and {len(symbols) - NAMED} more" if len(symbols) > NAMED else ""
        lines.append(f"- {reason}: {', '.join(symbols[:NAMED])}{more}")
    if len(by_reason) > REASONS:
        lines.append(f"- and {len(by_reason) - REASONS} more reasons")
    return "\n".join([*lines, f"Everything: {uri}"])


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
