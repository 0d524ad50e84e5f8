"""`stockstream paper`: accounts that follow a strategy session by session. No order leaves for a broker."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockstream.analytics.cli.options import JsonOption, LakeOption, existing_lake, progress_bar
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.cli.setup_options import (
    IndicatorsOption,
    StrategyOption,
    read_settings,
    with_setup_options,
)
from stockstream.sql.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stockstream.pipeline.lake import Lake

app = typer.Typer(
    help="Paper accounts: a strategy that trades each published session on paper. No order leaves for a broker.",
    no_args_is_help=True,
)
command("paper", Panel.ANALYSIS, 30)(app)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]
NamesArgument = Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Accounts; all by default.")]


@app.command("start")
@partial(with_setup_options, without=("end", "at_end"))
def start_account(
    *,
    name: NameArgument,
    strategy: StrategyOption = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A parameter of the strategy: fast=10. Repeatable.",
            rich_help_panel="Strategy",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help='TOML file with these settings (fill_at = "close"), strategy, and a table \\[params].',
            rich_help_panel="Strategy",
        ),
    ] = None,
    sql_path: IndicatorsOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
    **settings: Any,
) -> None:
    """Start an account, and let it process the published sessions: the newest one, or all since --start.

    Example: stockstream paper start trend --strategy MovingAverageCrossover --symbols BHP,CBA
    """
    from stockstream.analytics.backtest.runs import read_run
    from stockstream.analytics.paper.stepping import start

    opened = existing_lake(lake)
    start(opened, name, read_run(config, strategy, param or [], read_settings(settings)), sql_path or [])
    _step(opened, [name], as_json)


@app.command("step")
def step_accounts(names: NamesArgument = None, lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Let accounts process the sessions that have been published since their last one, as `stockstream run` does.

    Exit codes: 0 all have gone on, 3 some have not, 1 none has.

    Example: stockstream paper step trend --lake ./lake
    """
    _step(existing_lake(lake), names or [], as_json)


@app.command("status")
def show_status(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Account; a list of all by default.")] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the accounts, or one: equity, positions, orders for the next session, and what a backtest would have now.

    Exit codes: 0, or 3 if the last step of an account has failed.

    Example: stockstream paper status trend --lake ./lake
    """
    from stockstream.analytics.cli.paper_screens import as_plain, show_account, show_list
    from stockstream.analytics.paper.ledger import ledger_of
    from stockstream.analytics.paper.overview import detail, summaries

    opened = existing_lake(lake)
    shown: Any = detail(opened, ledger_of(opened, name)) if name else summaries(opened)
    if as_json:
        print(json.dumps(as_plain(shown)))
    elif name:
        show_account(shown)
    else:
        show_list(shown)
    listed = [shown.summary] if name else shown
    if any(one.error for one in listed):
        raise typer.Exit(ExitCode.PARTIAL)


@app.command("stop")
def stop_account(name: NameArgument, lake: LakeOption = None, as_json: JsonOption = False) -> None:
    """Stop an account for good: it takes no more steps, and everything that it has done stays.

    Example: stockstream paper stop trend --lake ./lake
    """
    from stockstream.analytics.paper.ledger import ledger_of

    ledger = ledger_of(existing_lake(lake), name)
    sessions = ledger.sessions()
    stop = ledger.stop(sessions[-1] if sessions else None)
    if as_json:
        print(json.dumps({"account": name, **stop.model_dump(mode="json", exclude={"format"})}))
    else:
        Screen().print(f"{name} is stopped after {stop.session or 'no session'}, {stop.stopped_at}", markup=False)


def _step(lake: Lake, names: Sequence[str], as_json: bool) -> None:
    """Step accounts with a progress bar, print what became of them, and exit with the code of the result."""
    from stockstream.analytics.paper.step_accounts import run

    with progress_bar() as bar:
        task = bar.add_task("sessions", total=None)
        result = run(
            {"names": list(names)},
            lake,
            lambda name, session: bar.update(task, advance=1, description=f"{name}: {session}"),
        )
    failed = result["failed"]
    has_gone_on = [one for one in result["accounts"] if one not in failed]
    code = ExitCode.COMPLETE if not failed else ExitCode.PARTIAL if has_gone_on else ExitCode.FAILED
    if as_json:
        print(json.dumps(result))
    else:
        out = Screen()
        for line in _lines(result):
            out.print(line, markup=False)
    raise typer.Exit(code)


def _lines(result: Any) -> Iterator[str]:
    for name, one in sorted(result["accounts"].items()):
        if name in result["failed"]:
            continue
        count = len(one["sessions"])
        equity = f"equity {one['equity']:,.2f}" if one["equity"] is not None else "no session yet"
        yield f"{name}: {count} new session{'' if count == 1 else 's'}, the last is {one['session']}: {equity}"
        for order in one["orders"]:
            yield f"  next session: {order}"
        if one["is_equal"] is False:
            yield f"  a backtest would have something else now: `stockstream paper status {name}`"
    if result["orders"]:
        yield f"{result['orders']} alerts about orders wait: `stockstream alerts send` sends them, as the next run does"
    for name, reason in sorted(result["failed"].items()):
        yield f"{name} could not go on: {reason}"
    if not result["accounts"] and not result["failed"]:
        yield "no account is active"
