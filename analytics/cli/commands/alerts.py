"""`stockstream alerts`: list the rules, run one on a past day, send what is not delivered."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from stockstream.analytics.cli.alert_deliveries import send
from stockstream.analytics.cli.alert_options import LevelsOption, RulePathOption
from stockstream.analytics.cli.options import JsonOption, LakeOption, day_option, existing_lake
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.sql.errors import ExitCode

if TYPE_CHECKING:
    from stockstream.pipeline.alerts.rules import Rule

app = typer.Typer(
    help="Alerts: list the rules, run one on a past day, send what is not delivered.", no_args_is_help=True
)
command("alerts", Panel.PIPELINE, 38)(app)
app.command("send")(send)


@app.command("list")
def list_all(sql_path: RulePathOption = None, as_json: JsonOption = False) -> None:
    """List the alert rules with their severity, cooldown and channels, and what they read. The exit code is 3 if one
    is wrong.

    Example: stockstream alerts list --sql-path my-rules/
    """
    from stockstream.pipeline.alerts.rules import find_rules

    rules = find_rules(*(sql_path or ()))
    if as_json:
        print(json.dumps([_described(rule) for rule in rules]))
    else:
        _print_rules(rules)
    if any(rule.error for rule in rules):
        raise typer.Exit(ExitCode.PARTIAL)


@app.command("test")
def try_rule(
    rule: Annotated[str, typer.Argument(help="Name of the rule; `stockstream alerts list` has all.")],
    at: Annotated[date, day_option("--at", "The day whose bars are taken as live bars.")],
    lake: LakeOption = None,
    sql_path: RulePathOption = None,
    levels: LevelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run an alert rule on the bars of a past day as if they were live, and print what it would have alerted about.

    Nothing is delivered or remembered. Exit codes: 0 it ran, 1 the rule or a level is wrong, 2 wrong usage.

    Example: stockstream alerts test move --at 2026-11-20 --lake ./lake
    """
    from stockstream.pipeline.alerts.past import run_on
    from stockstream.pipeline.alerts.rules import find_rules, rule_named
    from stockstream.pipeline.alerts.session import lines

    chosen = rule_named(find_rules(*(sql_path or ())), rule)
    result = run_on(existing_lake(lake), chosen, at, levels)
    if as_json:
        print(json.dumps({"rule": rule, "at": str(at), **asdict(result)}))
    else:
        out = Screen()
        for line in lines(result.alerts):
            out.print(line)
        for problem in result.problems:
            out.print(problem)
        out.print(f"{rule} on {at}: {len(result.alerts):,} alerts about {result.bars:,} bars")
    if result.problems:
        raise typer.Exit(ExitCode.FAILED)


def _described(rule: Rule) -> dict[str, Any]:
    described: dict[str, Any] = {"name": rule.name, "path": str(rule.path), "error": rule.error}
    if rule.header is not None:
        header = rule.header
        described |= {
            "title": header.title,
            "severity": header.severity,
            "cooldown": header.cooldown.total_seconds() if header.cooldown else "session",
            "channels": header.channels,
            "runs": header.runs,
            "needs": _needs(rule),
        }
    return described


def _needs(rule: Rule) -> list[str]:
    """Return what a rule reads: by its header, if that says so, otherwise all tables in its query."""
    assert rule.header is not None
    return sorted({*rule.header.needs, *rule.header.tables}) or sorted(rule.reads)


def _print_rules(rules: tuple[Rule, ...]) -> None:
    table = Table("rule", "severity", "cooldown", "runs", "needs", "", box=None, pad_edge=False)
    for rule in rules:
        if rule.header is None:
            table.add_row(rule.name, "wrong", "", "", "", str(rule.error))
            continue
        header = rule.header
        cooldown = _shown(header.cooldown) if header.cooldown else "session"
        table.add_row(rule.name, header.severity, cooldown, header.runs, ", ".join(_needs(rule)), header.title)
    Screen().print(table, soft_wrap=False)


def _shown(cooldown: timedelta) -> str:
    seconds = round(cooldown.total_seconds())
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
