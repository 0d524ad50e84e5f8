"""`stockstream stream`: live bars of the session that is running, or of a recorded one."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockstream.analytics.cli.alert_options import LevelsOption, RulePathOption, choice_of
from stockstream.analytics.cli.options import (
    JsonOption,
    LakeOption,
    MarketOption,
    Symbols,
    day_option,
    lake_uri,
    market_of,
    symbols_option,
)
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.cli.signals import SIGNALS
from stockstream.sql.errors import ExitCode, UsageError
from stockstream.sql.extras import require

if TYPE_CHECKING:
    from stockstream.pipeline.alerts.model import Alert
    from stockstream.pipeline.alerts.session import Choice
    from stockstream.pipeline.live.alerting import StreamAlerts
    from stockstream.pipeline.live.producer import Producer
    from stockstream.pipeline.live.sources import Feed, Plan
    from stockstream.pipeline.live.stream import Stream
    from stockstream.pipeline.markets import Market

SOURCES = (
    "polygon (needs POLYGON_API_KEY), yahoo, yahoo-poll (every 30 s), replay:FILE (JSON lines, each a frame), "
    "or kinesis:NAME (a stream that --to fills)"
)
EARLY = 900
"""Seconds before the opening at which a stream that waits for it begins."""

FeedOption = Annotated[str, typer.Option("--source", help=f"Source of events: {SOURCES}.")]
FeedSymbolsOption = Annotated[Symbols | None, symbols_option("Only these symbols.", default="all of the lake")]
ChannelOption = Annotated[str, typer.Option(help="polygon: A (seconds), AM (minutes) or T (trades).")]

SplitOption = Annotated[
    list[str] | None,
    typer.Option("--split", metavar="SYMBOL=RATIO", help="A split of the session, such as NVDA=10. May be repeated."),
]
RestartOption = Annotated[bool, typer.Option("--restart", help="Delete the live bars of the session, and begin again.")]


@command("stream", Panel.PIPELINE, 35)
def stream_command(
    source: FeedOption,
    lake: LakeOption = None,
    market: MarketOption = None,
    symbols: FeedSymbolsOption = None,
    session: Annotated[
        date | None, day_option("--session", "Session of a replay or a log.", default="that of the first events")
    ] = None,
    channel: ChannelOption = "A",
    speed: Annotated[
        float, typer.Option(min=0, help="replay: seconds of the recording per second; 0: as fast as possible.")
    ] = 0.0,
    split: Annotated[
        list[str] | None,
        typer.Option(
            "--split", metavar="SYMBOL=RATIO", help="A split of the session, such as NVDA=10. May be repeated."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="If the market is closed, wait until it opens.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Delete the session's live bars, and begin again.")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="kinesis:NAME",
            help="Put the events into a Kinesis stream in place of making bars of them.",
        ),
    ] = None,
    linger: Annotated[
        float, typer.Option(min=0, help="--to: seconds in which a symbol's events are collected for a record.")
    ] = 1.0,
    sql_path: RulePathOption = None,
    levels: LevelsOption = None,
    alerts: Annotated[bool, typer.Option("--alerts/--no-alerts", help="Run the alert rules on the live bars.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Make live bars of a session's events: the views `live` and `bars_live`. SIGINT and SIGTERM end it with all saved.

    Example: stockstream stream --source replay:day.jsonl --lake ./lake
    """
    from stockstream.pipeline.lake import Lake

    require_live()
    opened = Lake(lake_uri(lake))
    where = market_of(opened, market)
    opened.prepare(where, date.today())
    plan = plan_of(where, channel, speed, symbols)
    if to is not None and (restart or source.startswith("kinesis")):
        raise UsageError("--to puts events into a stream: neither --restart nor --source kinesis can be with it")
    choice = choice_of(opened, sql_path, levels) if alerts and to is None else None
    ratios = _ratios(split or ())
    status, received = asyncio.run(
        _stream(opened.uri, source, plan, symbols, session, ratios, wait, restart, to, linger, choice)
    )
    if status is None:
        sys.exit(SIGNALS[received][0] if received else ExitCode.COMPLETE)
    status["status"] = "stopped" if received else status["status"]
    if as_json:
        print(json.dumps({"lake": opened.uri, **status}))
    else:
        _show(status)
    if status["status"] == "partial" or "not put" in status["not_used"]:
        sys.exit(ExitCode.PARTIAL)
    if received:
        sys.exit(SIGNALS[received][0])


def require_live() -> None:
    """Check that the packages of the extra `live` are installed.

    Raises:
        MissingPackage: they are not.
    """
    require("msgspec", "websockets", "exchange_calendars", extra="live")


def plan_of(market: Market, channel: str, speed: float, symbols: Symbols | None) -> Plan:
    """Return the plan of a source without its session.

    Raises:
        UsageError: there is no such channel.
    """
    from stockstream.pipeline.live.sources import Plan

    if channel.upper() not in ("A", "AM", "T"):
        raise UsageError(f"--channel {channel}: there are A (seconds), AM (minutes) and T (trades)")
    return Plan(market, None, symbols or (), channel.upper(), speed)


async def _stream(
    lake: str,
    source: str,
    plan: Plan,
    symbols: Symbols | None,
    day: date | None,
    ratios: dict[str, float],
    wait: bool,
    restart: bool,
    to: str | None,
    linger: float,
    choice: Choice | None,
) -> tuple[dict[str, Any] | None, signal.Signals | None]:
    """Run a stream; return its last status, and the signal that ended it."""
    from stockstream.analytics.cli.event_loop import until_signal
    from stockstream.pipeline.live.stream import Stream, end_of

    async with until_signal() as (stop, received):
        stream = await opened_stream(lake, source, plan, symbols, day, ratios, wait, stop, to, linger)
        if stream is None:
            return None, received()
        stream.prepare(restart)
        if isinstance(stream, Stream) and choice is not None:
            try:
                stream.alerts = alerts_of(stream, choice)
            except BaseException:
                stream.release()
                raise
        with _progress() as (report, print_alerts):
            stream.report = report
            if isinstance(stream, Stream):
                stream.on_alerts = print_alerts
            status = await stream.run(stop)
    return status | {"status": end_of(status)}, received()


def alerts_of(stream: Stream, choice: Choice) -> StreamAlerts:
    """Return the alerts of a stream, with everything read that would stall it later; report rules that are wrong."""
    from stockstream.pipeline.alerts.session import SessionAlerts
    from stockstream.pipeline.live.alerting import StreamAlerts

    session, feed = stream.fold.session, stream.feed
    of_session = SessionAlerts(stream.lake, date.fromisoformat(session.date), choice)
    speed = feed.plan.speed if feed.is_replay else None
    alerts = StreamAlerts(of_session, session, stream.source, speed)
    alerts.warm_up()
    for error in of_session.errors:
        print(f"alerts: {error}", file=sys.stderr)
    return alerts


async def opened_stream(
    lake: str,
    source: str,
    plan: Plan,
    symbols: Symbols | None,
    day: date | None,
    ratios: dict[str, float],
    wait: bool,
    stop: asyncio.Event,
    to: str | None,
    linger: float,
) -> Stream | Producer | None:
    """Return the stream of the session, with everything imported and read that would stall it later."""
    from stockstream.pipeline.lake import Lake
    from stockstream.pipeline.live import facts
    from stockstream.pipeline.live.announcement import announcement_of
    from stockstream.pipeline.live.producer import Producer
    from stockstream.pipeline.live.sink import Sink, kinesis_client, stream_name
    from stockstream.pipeline.live.stream import Stream
    from stockstream.pipeline.symbols import canonical

    sink = Sink(stream_name(to, "--to"), kinesis_client()) if to is not None else None
    feed, ends_at = await streamed(lake, source, plan, wait, stop, day)
    if feed is None or feed.plan.session is None:
        return None
    opened, session = Lake(lake), feed.plan.session
    before = facts.facts_of(opened, plan.market, date.fromisoformat(session.date))
    names = facts.chosen(before, symbols)
    ratios = {next(iter(facts.chosen(before, [canonical(name)]))): ratio for name, ratio in ratios.items()}
    announcement = announcement_of(opened, session.date) if feed.is_log else None
    splits = announcement.splits if announcement else await asyncio.to_thread(feed.splits)
    before = before.with_splits({**splits, **ratios})
    if sink is not None:
        return Producer(opened, feed, before, names, source, sink, linger, ends_at)
    return Stream(opened, feed, facts.fold_of(session, before, names, plan.market), source, ends_at=ends_at)


async def streamed(
    lake: str, source: str, plan: Plan, wait: bool, stop: asyncio.Event, day: date | None = None
) -> tuple[Feed | None, float | None]:
    """Return the source with its session and symbols, and when it ends (seconds since 1970; None: by itself).

    The source is None if `stop` was set while the market was closed.

    Raises:
        UsageError: the market is closed and the command is not to wait, or an option is wrong.
    """
    from dataclasses import replace

    from stockstream.pipeline.lake import Lake
    from stockstream.pipeline.live import facts
    from stockstream.pipeline.live.sources import open_feed
    from stockstream.pipeline.live.sources.replay import Replay

    feed = open_feed(source, plan)
    if isinstance(feed, Replay):
        session = facts.session_of(plan.market, day or facts.day_of(plan.market, feed.first_times()))
        feed.plan = replace(plan, session=session)
        return feed, None
    if day is not None and feed.is_log:
        feed.plan = replace(plan, session=facts.session_of(plan.market, day))
        return feed, None
    if day is not None:
        raise UsageError("--session is for a replay or a log: a source streams the session that is running")
    running = await _running(plan.market, wait, stop)
    if running is None:
        return None, None
    before = facts.facts_of(Lake(lake), plan.market, date.fromisoformat(running.date))
    # Without --symbols, Polygon sends all symbols with one subscription, and the others those of the lake.
    names = sorted(facts.chosen(before, plan.symbols or None)) if plan.symbols or not feed.has_all else ()
    feed.plan = replace(plan, session=running, symbols=names)
    return feed, facts.ends_at(running)


async def _running(market: Market, wait: bool, stop: asyncio.Event) -> Any:
    """Return the session that is running; None if `stop` was set while the market was closed.

    Raises:
        UsageError: the market is closed, and the stream is not to wait.
    """
    from stockstream.pipeline.live.facts import next_opening, open_session

    while (session := open_session(market, datetime.now(UTC))) is None:
        opening = next_opening(market, datetime.now(UTC))
        if not wait:
            raise UsageError(
                f"{market.name} is closed: it opens {opening:%Y-%m-%d %H:%M} {market.timezone} (--wait waits for it)"
            )
        seconds = opening.timestamp() - EARLY - datetime.now(UTC).timestamp()
        try:
            await asyncio.wait_for(stop.wait(), min(max(seconds, 1.0), 3600.0))
        except TimeoutError:
            continue
        return None
    return session


def _ratios(texts: Any) -> dict[str, float]:
    """Return the ratio per symbol of texts such as NVDA=10.

    Raises:
        UsageError: a text is not of this form.
    """
    ratios: dict[str, float] = {}
    for text in texts:
        symbol, _, number = text.partition("=")
        try:
            ratios[symbol.strip()] = ratio = float(number)
        except ValueError:
            ratio = 0.0
        if not symbol.strip() or not 0 < ratio < 1e6:
            raise UsageError(f"--split {text}: write a symbol and its new shares per old share, such as NVDA=10")
    return ratios


class _progress:  # noqa: N801 (a context manager that reads as a function)
    """Show the status in one line at a terminal, and alerts above it; what is entered are the functions for both.

    Elsewhere there is no function for the status: to make one costs time.
    """

    def __enter__(self) -> Any:
        from rich.live import Live

        self._live = Live(console=Screen(stderr=True), transient=True, auto_refresh=False)
        self._is_shown = sys.stderr.isatty()
        if self._is_shown:
            self._live.start()
        return self._update if self._is_shown else None, self._print

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._live.stop()

    def _update(self, status: dict[str, Any]) -> None:
        self._live.update(progress_line(status), refresh=True)

    def _print(self, alerts: list[Alert]) -> None:
        from stockstream.pipeline.alerts.session import lines

        if self._is_shown:
            for line in lines(alerts):
                self._live.console.print(line)


def progress_line(status: dict[str, Any]) -> str:
    """Return the status of a stream in one line."""
    lag = "" if status["lag_seconds"] is None else f", lag {status['lag_seconds']:.1f} s"
    return (
        f"{status['session']}  {status['events']:,} events, {status['events_per_second']:,.0f}/s{lag}, "
        f"{status['symbols']:,} symbols, {status['missed']:,.0f} shares missed, queue {status['queue']}"
        + (f", {status['alerts']['in_session']:,} alerts" if status["alerts"] else "")
    )


def _show(status: dict[str, Any]) -> None:
    """Print the last status of a stream."""
    out = Screen()
    out.print(f"session     {status['session']} from {status['source']}")
    out.print(f"events      {status['events']:,}, of {status['symbols']:,} symbols; {status['late']:,} late")
    out.print(f"missed      {status['missed']:,.0f} shares of {status['symbols_with_missed']:,} symbols")
    for reason, count in status["not_used"].items():
        names = f" ({', '.join(status['unknown_symbols'])})" if reason == "unknown symbol" else ""
        out.print(f"not used    {count:,} {reason}{names}")
    for name, value in status["connection"].items():
        out.print(f"connection  {name.replace('_', ' ')}: {value}")
    if "put" in status:
        for name, value in status["put"].items():
            out.print(f"put         {name.replace('_', ' ')}: {value}")
        out.print(f"{status['status']}    the events are in {status['to']}")
        return
    if status["alerts"]:
        _show_alerts(out, status["alerts"])
    out.print(f"{status['status']}    `FROM live` has the bars, `FROM bars_live` with the bars before them")


def _show_alerts(out: Screen, alerts: dict[str, Any]) -> None:
    """Print what the alert rules have found, what is wrong with them, and what was delivered."""
    by_rule = ", ".join(f"{rule} {count:,}" for rule, count in alerts["by_rule"].items())
    counts = f"{alerts['in_session']:,} in the session, {alerts['new']:,} new"
    out.print(f"alerts      {counts}{': ' if by_rule else ''}{by_rule}")
    for reason in sorted(set(alerts["waiting"].values())):
        names = ", ".join(name for name, one in alerts["waiting"].items() if one == reason)
        out.print(f"alerts      {names}: {reason}")
    for error in alerts["errors"]:
        out.print(f"alerts      {error}")
    for channel, report in alerts["delivery"].items():
        numbers = {name: count for name, count in report.items() if isinstance(count, int) and count}
        reasons = "".join(f"; {reason}" for reason in report["reasons"])
        shown = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in numbers.items())
        out.print(f"delivery    {channel}: {shown}{reasons}")
