"""Step of the pipeline: let the paper accounts of the lake process the sessions that have been published."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.events import StepAccountsEvent, StepAccountsResult
from stockstream.pipeline.lake import PAPER, Lake
from stockstream.sql.extras import naming_the_extra

ON_AWS = "functions on AWS do not step accounts: `stockstream paper step --lake s3://…` does, on a machine"


def run(
    event: StepAccountsEvent, lake: Lake, on_session: Callable[[str, date], None] = lambda name, session: None
) -> StepAccountsResult:
    """Step all accounts, or those of the event; the orders for the next session are remembered as alerts.

    An account that fails is in the result, and the others go on.

    Raises:
        UsageError: there is no account of a name of the event, or the extra `backtest` is not installed.
        LakeError: the lake cannot be read or written.
    """
    result: StepAccountsResult = {"accounts": {}, "failed": {}, "orders": 0}
    keys = lake.store.list(PAPER)
    if not keys:
        return result
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:  # its package has no room for all of pyarrow
        names = {key.split("/")[1] for key in keys if f"{key.rpartition('/')[0]}/stopped.json" not in keys}
        result["failed"] = dict.fromkeys(sorted(names), ON_AWS)
        return result
    with naming_the_extra():
        from stockstream.analytics.paper import ledger, notices, stepping  # with numpy and pyarrow, only with accounts

    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    if chosen := event.get("names"):
        for name in chosen:
            ledger.ledger_of(lake, name)
    states = []
    for name in chosen or ledger.account_names(lake):
        try:
            outcome = stepping.step(lake, ledger.Ledger(lake, name), on_session)
        except UsageError as error:  # the folder has a name that no account has
            result["failed"][name] = str(error)
            continue
        if outcome.is_stopped:
            continue
        if outcome.error is not None:
            result["failed"][name] = outcome.error
        state, comparison = outcome.state, outcome.report.comparison if outcome.report else None
        result["accounts"][name] = {
            "sessions": [str(session) for session in outcome.stepped],
            "session": str(state.session) if state else None,
            "equity": state.equity if state else None,
            "orders": [order.text for order in state.orders] if state else [],
            "is_equal": comparison.is_equal if comparison else None,
        }
        if state is not None and outcome.stepped:
            states.append(state)
    result["orders"] = notices.record_orders(lake, states, now)
    return result
