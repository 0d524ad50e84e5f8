"""The tool `backtest`: a shipped strategy on a generation, in a process with limits, as for the form of a run."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

from stockstream.analytics.agents.answers import Answer, cut, of_page
from stockstream.analytics.agents.arguments import Backtest
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.analytics.serving import parameters
from stockstream.analytics.serving.backtests import answers
from stockstream.analytics.serving.backtests.form import PARAMETER, check, form_of
from stockstream.analytics.serving.backtests.processes import Limits, follow, why
from stockstream.analytics.serving.backtests.stored import StoredRuns
from stockstream.analytics.serving.backtests.strategies import Strategies
from stockstream.analytics.serving.generations import Served
from stockstream.analytics.serving.problems import Problem
from stockstream.sql.errors import did_you_mean

LIMITS = Limits(seconds=60, megabytes=2048)
_NAME = "result"


def run(lake: str, served: Served, query: Backtest, cancelled: threading.Event) -> Answer:
    """Return the figures of a backtest, or the rows of one of its tables.

    Raises:
        Problem: there is no such strategy (404), an argument is wrong, or the run fails (422).
    """
    order = _order(lake, served, query)
    reported: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        order["folder"] = str(Path(folder) / _NAME)
        ended = follow(order, LIMITS, reported.update, cancelled)
        if not reported.get("saved"):
            raise Problem(422, f"the backtest failed: {reported.get('error') or why(ended, LIMITS)}")
        stored = StoredRuns(Path(folder))
        saved = stored.run(_NAME)
        page = answers.backtest(stored, parameters.Backtest(table=query.table), {"id": _NAME})
        page.generation, page.extra = served.generation, {}
        answer = cut(of_page(page), query.limit)
    answer.notes.append(
        f"{saved.strategy}({saved.parameters}), {saved.sessions:,} sessions, {saved.first} to {saved.last}"
    )
    if saved.error is not None:
        answer.notes.append(f"the strategy ended early: {saved.error}")
    return answer


def _order(lake: str, served: Served, query: Backtest) -> dict[str, Any]:
    """Return the order for the process, checked as the form checks it.

    Raises:
        Problem: there is no such strategy (404), or an argument is wrong (422).
    """
    if query.strategy not in SHIPPED:  # never a file
        hint = did_you_mean(query.strategy, SHIPPED) or ""
        raise Problem(404, f"strategy: there is no {query.strategy}{hint}; there are {', '.join(sorted(SHIPPED))}")
    choice = Strategies(None).choice(query.strategy)
    names = [one.name for one in choice.parameters]
    for name in query.params:
        if name not in names:
            hint = did_you_mean(name, names) or ""
            raise Problem(422, f"params: {query.strategy} has no {name}{hint}; there are {', '.join(names) or 'none'}")
    texts = {f"{PARAMETER}{name}": text for name, text in query.texts().items()}
    form = form_of(choice, (query.settings() | texts).items())
    check(form, served)
    wrong = [f"{field.name.replace(PARAMETER, 'params.')}: {field.error}" for field in form.wrong]
    if wrong or form.error:
        raise Problem(422, "; ".join(wrong) or str(form.error))
    return form.order(lake, served.generation)
