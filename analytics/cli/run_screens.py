"""The result of a run as text."""

from __future__ import annotations

from stockstream.analytics.cli.commands.metadata import show_metadata
from stockstream.analytics.cli.commands.silver import (
    show_consolidated,
    show_derived,
    show_refreshed,
    show_resampled,
)
from stockstream.analytics.cli.screen import Screen
from stockstream.pipeline.derived import step_modules
from stockstream.pipeline.events import CheckResult, Result, SendAlertsResult, StepAccountsResult
from stockstream.pipeline.steps.summarise import quarantine_lines

SHOWN = 10
"""Maximum number of missing symbols printed."""


def show_result(result: Result) -> None:
    """Print the result of a run as text."""
    out = Screen()
    listings = result["listings"]
    if listings and listings["refused"]:
        out.print(f"listings refused: {listings['refused']}; the list of {listings['list_of']} was used", markup=False)
    elif listings:
        changes = f", {len(listings['added'])} added, {len(listings['removed'])} removed"
        out.print(f"listings   {listings['count']} companies ({listings['source']}){changes}")
    out.print(
        f"symbols    {result['symbols']} in {result['batches']} batches, {result['up_to_date']} up to date already"
    )
    dates = f", {result['first_date']} to {result['last_date']}" if result["rows"] else ""
    out.print(f"stored     {result['rows']:,} rows in {len(result['files'])} files{dates}")
    if result["open_session"]:
        out.print(f"held back  {result['open_session']} bars of a session that is still open")
    out.print(f"missing    {len(result['missing'])} symbols")
    for item in result["missing"][:SHOWN]:
        out.print(f"           {item['symbol']}: {item['reason']}", markup=False)
    if len(result["missing"]) > SHOWN:
        out.print(f"           and {len(result['missing']) - SHOWN} more: --json lists all")
    if result["quarantined"]:
        total = sum(group["values"] for group in result["quarantined"])
        out.print(f"quarantine {total:,} values that are not used; FROM quarantine lists them")
        for line in quarantine_lines(result["quarantined"])[:SHOWN]:
            out.print(f"           {line}", markup=False)
        if len(result["quarantined"]) > SHOWN:
            out.print(f"           and {len(result['quarantined']) - SHOWN} more reasons: --json lists all")
    for note in result["notes"]:
        out.print(f"note       {note}", markup=False)
    if "metadata" in result and result["metadata"]["lists"]:
        show_metadata(out, result["metadata"])
    if "consolidate" in result:
        show_consolidated(out, result["consolidate"])
    if "resample" in result:
        show_resampled(out, result["resample"])
    if "indicators" in result:
        show_refreshed(out, result["indicators"])
    show_derived(out, {name: result[name] for name in step_modules() if name in result and name != "indicators"})
    if "check" in result:
        show_checked(out, result["check"])
    if "paper" in result:
        show_stepped(out, result["paper"])
    if "alerts" in result:
        show_sent(out, result["alerts"])
    if "serving" in result and (key := result["serving"]["key"]):
        out.print(f"serving    {key}, {result['serving']['bytes'] / 1e6:,.1f} MB", markup=False)
    if result["not_sent"]:
        out.print(f"not sent   {result['not_sent']}; `stockstream alerts send` tries again", markup=False)
    if result["not_stepped"]:
        out.print(f"not stepped {result['not_stepped']}", markup=False)
    if result["stale"]:
        out.print(f"stale      {', '.join(result['stale'])}: older than the bars; the next run computes them")
    if result["refused"]:
        out.print(f"refused    {result['refused']}", markup=False)
    out.print(f"{result['status']}   {result['lake']}, {result['source']}, {result['seconds']} s", markup=False)


def show_checked(out: Screen, result: CheckResult) -> None:
    """Print the findings of the data checks as text."""
    counts = f"{len(result['failed'])} failed, {len(result['warned'])} with warnings"
    out.print(f"checks     {result['checks']}, {counts}")
    for report in [*result["failed"], *result["warned"]]:
        text = f"{report['check']}: {report['bad_rows']:,} bad rows, the first: {report['first']}"
        out.print(f"           {text}", markup=False)


def show_stepped(out: Screen, result: StepAccountsResult) -> None:
    """Print which paper accounts have gone on; nothing about a lake without accounts."""
    for name, one in sorted(result["accounts"].items()):
        if one["sessions"]:
            orders = f", {len(one['orders'])} orders for the next session" if one["orders"] else ""
            out.print(f"paper      {name}: {one['session']}, equity {one['equity']:,.2f}{orders}", markup=False)


def show_sent(out: Screen, result: SendAlertsResult) -> None:
    """Print what was sent over which channel; nothing if no channel is configured."""
    counts = [f"{name} {one['delivered']}" for name, one in result["channels"].items() if one["delivered"]]
    if result["session"]:
        out.print(f"alerts     {result['alerts']} new of {result['session']}; sent: {', '.join(counts) or 'none'}")
    for note in result["notes"]:
        out.print(f"           {note}", markup=False)
