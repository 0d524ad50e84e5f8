"""Summarise a run: what it did and what is missing, for a person and in the lake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from stockstream.pipeline.attempts import as_json, attempts_of, reason_of
from stockstream.pipeline.events import (
    REFRESHES,
    BatchResult,
    CheckResult,
    ListingsReport,
    QuarantinedValues,
    RefreshResult,
    SendAlertsResult,
    Status,
    StepAccountsResult,
    SummariseEvent,
    SummariseResult,
    Summary,
)
from stockstream.pipeline.lake import Lake, run_key
from stockstream.pipeline.markets import Market

MAX_SYMBOLS, MAX_REASONS = 100, 50
"""Symbols per reason, and reasons, in a message; the summary in the lake has all of them."""


def run(event: SummariseEvent, lake: Lake, market: Market, source: str, environment: str) -> SummariseResult:
    """Store an execution's summary as `state/runs/DATE/RUN/summary.json`; return it in short, with a message.

    Raises:
        LakeError: The lake cannot be read or written.
    """
    outcomes = {outcome["batchNumber"]: outcome for outcome in event.get("batches", [])}
    batches = [
        attempt
        for batch in event.get("symbolBatches", [])
        for attempt in attempts_of(lake, event, batch, outcomes.get(batch["batchNumber"]))
    ]
    failures = {step: reason_of(error) for step, error in event.get("failure", {}).items()}
    now = datetime.fromisoformat(text) if (text := event.get("now")) else datetime.now(UTC)
    notes = past_day_notes(date.fromisoformat(event["date"]), market, now)
    summary = summarised(batches, event.get("listings"), lake, source, market, event["date"], event, failures, notes)
    key = run_key(event["date"], event["run"], "summary")
    lake.update(key, lambda _: as_json({**summary, "run": event["run"], "environment": environment}))
    return {
        "status": summary["status"],
        "key": key,
        "symbols": summary["symbols"],
        "rows": summary["rows"],
        "missing": len(summary["missing"]),
        "subject": f"stockstream {environment}: {market.name} {event['date']} {summary['status']}",
        "message": message_of(summary, event["run"], lake.store.uri(key)),
    }


def summarised(
    batches: Sequence[BatchResult],
    listings: ListingsReport | None,
    lake: Lake,
    source: str,
    market: Market,
    day: str,
    results: Mapping[str, Any],
    failures: Mapping[str, str],
    notes: Sequence[str] = (),
) -> Summary:
    """Return the summary of a run: the sums of its batches and the results of the later steps.

    `results` has the steps' results by their keys, other keys are ignored; `failures` the reason per failed step;
    `notes` what the source reports about its answers.
    """
    missing = [symbol for batch in batches for symbol in batch["missing"]]
    dates = [day for batch in batches for day in (batch["first_date"], batch["last_date"]) if day]
    refresh: RefreshResult | None = results.get("refresh")
    failed = {**failures, **(refresh["failed"] if refresh else {}), **_bad_checks(results)}
    alerts: SendAlertsResult | None = results.get("alerts")
    unsent = dict(alerts["failed"]) if alerts else {}
    if reason := failed.pop("alerts", None):  # of the whole step: what it reports is published nevertheless
        unsent["alerts"] = reason
    accounts: StepAccountsResult | None = results.get("paper")
    not_stepped = dict(accounts["failed"]) if accounts else {}
    if reason := failed.pop("paper", None):
        not_stepped["all"] = reason
    refused = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
    quarantined = _merged(batches)
    status = "failed" if refused else _status(batches, quarantined)
    is_incomplete = bool(unsent or not_stepped or left_out(refresh["parts"] if refresh else {}))
    summary: Summary = {
        "status": "partial" if status == "complete" and is_incomplete else status,
        "lake": lake.uri,
        "market": market.name,
        "source": source,
        "date": day,
        "listings": listings,
        "symbols": sum(batch["symbols"] for batch in batches),
        "up_to_date": sum(batch["up_to_date"] for batch in batches),
        "batches": len({batch["batchNumber"] for batch in batches}),
        "files": [key for batch in batches if (key := batch["key"])],
        "rows": sum(batch["rows"] for batch in batches),
        "first_date": min(dates, default=None),
        "last_date": max(dates, default=None),
        "open_session": sum(batch["open_session"] for batch in batches),
        "missing": missing,
        "quarantined": quarantined,
        "notes": list(notes),
        "generation": refresh["generation"] if refresh else None,
        "stale": refresh["stale"] if refresh else [],
        "refused": refused or None,
        "not_sent": "; ".join(f"{name}: {reason}" for name, reason in unsent.items()) or None,
        "not_stepped": "; ".join(f"{name}: {reason}" for name, reason in not_stepped.items()) or None,
    }
    later = {step.result: results[step.result] for step in REFRESHES if step.result in results}
    later.pop("refresh", None)
    return {**summary, **(refresh["parts"] if refresh else {}), **later}  # type: ignore[typeddict-item]


def past_day_notes(day: date, market: Market, now: datetime) -> list[str]:
    """Return what a person should know about a run whose day is past by the clock `now`; nothing about another run."""
    if day >= market.today(now):
        return []
    return [f"the day of this run is {day}: later bars are not fetched, and those in the lake stay"]


def left_out(parts: Mapping[str, Any]) -> list[str]:
    """Return the damaged files that a consolidation has left out, each with the reason, from the parts' results."""
    damaged: list[str] = parts.get("consolidate", {}).get("damaged", [])
    return damaged


def _rebuilt(parts: Mapping[str, Any]) -> list[str]:
    """Return the tables that were computed from the beginning because a file of theirs was damaged, with the reason."""
    tables: dict[str, Any] = {name: parts[name] for name in ("metadata", "indicators") if name in parts}
    for result in parts.values():
        tables |= result.get("tables", {}) if isinstance(result, Mapping) else {}
    return [f"{name}: {table['rebuilt']}" for name, table in tables.items() if table.get("rebuilt")]


def _merged(batches: Sequence[BatchResult]) -> list[QuarantinedValues]:
    """Return the values that are not used, summed per column and reason over all batches; losses are the first."""
    groups: dict[tuple[bool, str, str], QuarantinedValues] = {}
    for batch in batches:
        for group in batch.get("quarantined", []):  # a record of an earlier version has no such key
            key = (not group["is_loss"], group["column_name"] or "", group["reason"])
            before = groups.get(key)
            values = group["values"] + (before["values"] if before else 0)
            groups[key] = {**(before or group), "values": values}
    return [groups[key] for key in sorted(groups)]


def _status(batches: Sequence[BatchResult], quarantined: Sequence[QuarantinedValues]) -> Status:
    missing = sum(len(batch["missing"]) for batch in batches)
    if not missing:
        return "partial" if any(group["is_loss"] for group in quarantined) else "complete"
    nothing = missing >= sum(batch["symbols"] for batch in batches) and not any(batch["rows"] for batch in batches)
    return "failed" if nothing else "partial"


def _bad_checks(results: Mapping[str, Any]) -> dict[str, str]:
    result: CheckResult | None = results.get("check")
    return {f"check {report['check']}": report["first"] for report in result["failed"]} if result else {}


def message_of(summary: Summary, run: str | None = None, uri: str | None = None) -> str:
    """Return the text of an e-mail: what failed and where; `run` is its name, `uri` where its summary is."""
    by_reason = defaultdict(list)
    for item in summary["missing"]:
        by_reason[item["reason"]].append(item["symbol"])
    name = f"Run {run} of" if run else "The run of"
    lines = [f"{name} {summary['date']} on {summary['lake']}: {summary['status']}."]
    if summary["refused"]:
        lines.append(f"Failed: {summary['refused']}")
    if summary["not_sent"]:
        lines.append(f"Alerts not sent: {summary['not_sent']}. `stockstream alerts send` tries again.")
    if summary["not_stepped"]:
        lines.append(f"Paper accounts not stepped: {summary['not_stepped']}")
    if summary["stale"]:
        lines.append(f"Older than the bars: {', '.join(summary['stale'])}. The next run computes these tables.")
    if damaged := left_out(summary):
        lines.append(f"Damaged files were left out. See `stockstream repair --lake {summary['lake']}`:")
        lines += [f"- {one}" for one in damaged[:MAX_REASONS]]
        lines += [f"- and {len(damaged) - MAX_REASONS} more"] if len(damaged) > MAX_REASONS else []
    if rebuilt := _rebuilt(summary):
        lines.append(f"Computed from the beginning: {'; '.join(rebuilt[:MAX_REASONS])}")
    if (listings := summary["listings"]) and listings["refused"]:
        used = f"that of {listings['list_of']} was used"
        lines.append(f"The list of companies was refused, {used}: {listings['refused']}")
    lines.append(
        f"{len(summary['missing'])} of {summary['symbols']} symbols are missing, {summary['rows']} rows stored."
    )
    for reason, symbols in list(by_reason.items())[:MAX_REASONS]:
        more = f" and {len(symbols) - MAX_SYMBOLS} more" if len(symbols) > MAX_SYMBOLS else ""
        lines.append(f"- {reason}: {', '.join(symbols[:MAX_SYMBOLS])}{more}")
    if len(by_reason) > MAX_REASONS:
        lines.append(f"- and {len(by_reason) - MAX_REASONS} more reasons")
    lines += [f"- {line}" for line in quarantine_lines(summary["quarantined"])[:MAX_REASONS]]
    return "\n".join([*lines, *summary["notes"], *([f"Everything: {uri}"] if uri else [])])


def quarantine_lines(groups: Sequence[QuarantinedValues]) -> list[str]:
    """Return a line per column and reason: how many values are not used, why, and the first of them."""
    return [
        f"{group['values']:,} {group['column_name'] or 'row'}{_outcome(group)}: {group['reason']}; "
        f"the first: {group['first']}"
        for group in groups
    ]


def _outcome(group: QuarantinedValues) -> str:
    return " not stored" if group["is_loss"] else " left empty"
