"""What `stockstream paper status` prints."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from rich.table import Table

from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.paper.overview import NOTICE, AccountDetail, AccountSummary, Compared, texts_of

SHOWN = 10
"""Rows of a list; `--json` has all of them."""


def as_plain(shown: Any) -> Any:
    """Return dataclasses as values for `json.dumps`."""
    if isinstance(shown, list):
        return [as_plain(one) for one in shown]
    return _plain(asdict(shown))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def show_list(accounts: list[AccountSummary]) -> None:
    """Print a list of accounts."""
    out = Screen()
    if not accounts:
        out.print("no paper account: `stockstream paper start` starts one")
        return
    table = Table("account", "strategy", "last session", "sessions", "equity", "return", "", box=None, pad_edge=False)
    for column in table.columns[3:6]:
        column.justify = "right"
    for one in accounts:
        table.add_row(
            one.name,
            one.strategy or "–",
            str(one.session or "–"),
            str(one.sessions),
            _money(one.equity),
            "–" if one.return_percent is None else f"{one.return_percent:+.2f}%",
            _phase(one),
        )
    out.print(table, soft_wrap=False)
    for one in accounts:
        if one.error:
            out.print(f"{one.name}: {one.error}", markup=False)
    out.print(NOTICE)


def show_account(account: AccountDetail) -> None:
    """Print an account."""
    out, one = Screen(), account.summary
    out.print(f"{one.name}   {one.strategy}({', '.join(texts_of(one.params))}), {_phase(one)}", markup=False)
    if one.session is None:
        out.print("no session yet")
    else:
        out.print(f"sessions   {one.sessions}, {one.first_session} to {one.session} (generation {one.generation})")
        out.print(f"equity     {_money(one.equity)}, {one.return_percent:+.2f}%; cash {_money(one.cash)}")
    if one.live:
        out.print(
            f"live       {_money(one.live.equity)} at the live bars of {one.live.session}, {one.live.at} UTC "
            f"({one.live.symbols} of {one.live.of} positions); no state changes"
        )
    for position in account.positions:
        out.print(
            f"holds      {position.quantity:,g} {position.symbol} at {position.price:,.10g}: {_money(position.value)}, "
            f"profit {_money(position.pnl)}",
            markup=False,
        )
    for fill in account.fills:
        out.print(f"filled     {fill.quantity:+,g} {fill.symbol} at {fill.price:,.10g} ({fill.kind})", markup=False)
    for order in account.orders:
        out.print(f"next       {order.text}", markup=False)
    if one.session is not None and not account.orders:
        out.print("next       no orders for the next session")
    _show_comparison(out, account.comparison)
    for note in account.notes[:SHOWN]:
        out.print(f"note       {note}", markup=False)
    if len(account.notes) > SHOWN:
        out.print(f"           and {len(account.notes) - SHOWN} more: --json lists all")
    if one.error:
        out.print(f"failed     {one.error}", markup=False)
    out.print(NOTICE)


def _show_comparison(out: Screen, one: Compared | None) -> None:
    if one is None:
        return
    if one.is_equal:
        out.print(f"backtest   the same to the last bit, on generation {one.generation} up to {one.session}")
        return
    out.print(
        f"backtest   {_money(one.backtest_equity)} on generation {one.generation} up to {one.session}, "
        f"the account {_money(one.account_equity)}; the account keeps what it did"
    )
    if one.first_other_equity:
        out.print(f"           first other equity, fills or orders: {one.first_other_equity}")
    if not one.different_sessions and not one.error:
        out.print("           on the same bars: the strategy decides something else each time")
    for row in one.differences[:SHOWN]:
        out.print(f"           {row['session']}: other bars of {', '.join(row['symbols'])}", markup=False)
    if one.different_sessions > SHOWN:
        out.print(f"           and {one.different_sessions - SHOWN} more sessions: --json lists them")
    if one.error:
        out.print(f"           it fails: {one.error}", markup=False)


def _phase(one: AccountSummary) -> str:
    return {"active": "", "stopped": "stopped", "failed": "failed"}[one.phase] or (
        "not what a backtest would have now" if one.is_equal is False else "active"
    )


def _money(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"
