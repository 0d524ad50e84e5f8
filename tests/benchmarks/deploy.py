"""The deployment: the overhead of the state machine relative to the source's own time, cold starts, monthly costs.

The functions are the real packages, each in its own process under AWS's runtime client, and the state machine is the
real definition. Only the source is a replay, with a hundredth of the latency.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from stockstream.terraform.costs import monthly
from stockstream.terraform.packages import UNZIPPED_LIMIT, build, spec, unzipped
from tests.aws.lambdas import Invoked
from tests.aws.pipeline import FOLDER, deploy, execute
from tests.aws.sandbox import architecture, python
from tests.aws.server import LoopbackAws
from tests.benchmarks._harness import Figure, main
from tests.exchange import Exchange
from tests.yahoo_replay import YahooReplay, chart

LATENCY, SCALE = 2.0, 0.01
"""Seconds per symbol that the source takes, and the factor of the replay."""
AT_ONCE = 10
"""Concurrent batches: MaxConcurrency of the state machine."""
FIRST, DAYS = date(2026, 2, 2), (date(2026, 8, 6), date(2026, 8, 7))
WHOLE_PROCESSOR = 1769
"""MB of memory with which a Lambda function has one processor; with less, it has a proportional share."""

ASX, RUNS, SESSIONS, YEARS = 2300, 30, 21, 10
"""The basis of the costs: symbols, runs per month, sessions per month, and years of bars in the lake."""
SECONDS_PER_SYMBOL = 2.5
"""Time that a symbol waits for Yahoo: the pause of two seconds between requests, and the response."""
SEEDS = {"pipeline": 1.41, "all": 7.0}
"""Costs of the predecessor systems in US dollars per month: the pipeline alone, and everything (7 to 15)."""
ALARMS = 2 + 2 * len(spec()["functions"]) + 1
"""Of runs, of the errors and the duration of each function, and of the throttles of fetch_batch."""
METRICS, DASHBOARDS, KEYS = 3, 1, 1


@dataclass(frozen=True)
class Run:
    """An execution: its duration, invocations and requests."""

    wall: float
    without_function: float
    """Seconds in which no function ran."""
    invoked: Sequence[Invoked]
    requests: Mapping[str, Counter[str]]
    """S3 requests per function: put or get."""
    publications: int
    """Manifests that were put."""


def measure(quick: bool) -> Iterator[Figure]:
    symbols, size = (4, 2) if quick else (1000, 100)
    with LoopbackAws(compiled=quick) as aws, Exchange() as exchange, YahooReplay() as yahoo:
        exchange.lists(names := [f"{n:04d}" for n in range(symbols)])
        days = [FIRST + timedelta(n) for n in range((DAYS[-1] - FIRST).days + 1)]
        sessions = [day for day in days if day.weekday() < 5]
        for name in names:
            yahoo.script(f"{name}.AX", chart(f"{name}.AX", _bars(name, sessions)))
        yahoo.latency = LATENCY * SCALE
        settings = {
            "STOCKSTREAM_LAKE": f"s3://{aws.s3.new_bucket()}/lake",
            "STOCKSTREAM_ASX_URL": exchange.url,
            "STOCKSTREAM_YAHOO_URL": yahoo.url,
            "STOCKSTREAM_YAHOO_PAUSE": "0",
            "STOCKSTREAM_START": str(FIRST),
        }
        machine = deploy(aws, settings)
        _execute(aws, machine, DAYS[0], size)
        first = _stored(aws, settings["STOCKSTREAM_LAKE"])
        aws.lambdas.forget()
        daily = _execute(aws, machine, DAYS[1], size)
        yield from _overhead(daily, symbols, size)
        yield from _requests(daily)
        yield from _cold_starts(aws)
        yield from _packages()
        grown = _stored(aws, settings["STOCKSTREAM_LAKE"]) - first
    # Ten years of bars, and the files that a month of runs replaces, which are kept until vacuum deletes them.
    stored = first / (symbols * (len(sessions) - 1)) * ASX * 253 * YEARS + grown / symbols * ASX * RUNS
    yield from _costs(daily, stored, checked=not quick)


def _bars(symbol: str, sessions: Sequence[date]) -> list[tuple[Any, ...]]:
    """Return a random walk as bars of a symbol; it compresses less well than real bars."""
    random, close, rows = Random(symbol), 10.0, []
    for day in sessions:
        before, close = close, close * random.uniform(0.97, 1.03)
        high, low = max(before, close) * 1.01, min(before, close) * 0.99
        rows.append((day, before, high, low, close, random.randrange(10**6)))
    return rows


def _stored(aws: LoopbackAws, lake: str) -> int:
    """Return the bytes of all data in a lake."""
    return sum(len(data) for key, data in aws.s3.objects(lake).items() if not key.startswith("state/"))


def _execute(aws: LoopbackAws, machine: str, day: date, size: int) -> Run:
    states = aws.client("stepfunctions")
    invoked, requests = len(aws.lambdas.invoked), len(aws.s3.requests)
    began = time.monotonic()
    arn = execute(aws, machine, {"date": str(day), "batch_size": size})
    while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.02)
    wall = time.monotonic() - began
    output = json.loads(execution.get("output") or "{}")
    if output.get("status") != "complete":
        errors = {one.answer.decode() for one in aws.lambdas.invoked if one.error}
        raise RuntimeError(f"the run of {day} was not complete: {output.get('message')} {errors}")
    by_function: dict[str, Counter[str]] = defaultdict(Counter)
    for request in aws.s3.requests[requests:]:
        if request.path.startswith("/lake-"):
            is_put = request.method == "PUT" or "list-type" in request.query
            by_function[request.access_key]["put" if is_put else "get"] += 1
    put = {request.path for request in aws.s3.requests[requests:] if request.method == "PUT"}
    publications = sum("/state/manifests/" in path for path in put)
    new = aws.lambdas.invoked[invoked:]
    return Run(wall, wall - _covered([(one.began, one.ended) for one in new]), new, by_function, publications)


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """Return the seconds that are covered by at least one of the spans of time."""
    covered, until = 0.0, float("-inf")
    for began, ended in sorted(spans):
        covered += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return covered


def _overhead(daily: Run, symbols: int, size: int) -> Iterator[Figure]:
    batches = -(-symbols // size)
    rounds = -(-batches // AT_ONCE)
    source = rounds * size * LATENCY
    yield Figure(f"{symbols:,} symbols in {batches} batches, latency at 1/100: wall", daily.wall, "s")
    yield Figure("the source's own time in that", source * SCALE, "s")
    yield Figure("the state machine's own time (no function runs)", daily.without_function, "s")
    share = 100 * daily.without_function / source
    yield Figure("the same, of the source's own time at full scale", share, "%", 5)
    used = {one.function for one in daily.invoked}
    stages = {name: max(one.cpu for one in daily.invoked if one.function == name) for name in used}
    alone = daily.without_function + sum(stages.values())
    yield Figure("all beyond the source, cold, had each function a processor, of the same", 100 * alone / source, "%")


def _requests(daily: Run) -> Iterator[Figure]:
    yield Figure("publications of a run", daily.publications, "manifests", 1)
    after = [counted for name, counted in daily.requests.items() if name not in ("update_symbols", "fetch_batch")]
    requests = sum(counted.total() for counted in after)
    yield Figure("S3 requests of a run after the fetch, all but the fetch", requests, "requests")
    puts = sum(counted["put"] for counted in after)
    yield Figure("of these: puts and lists, which cost 12 times a get", puts, "requests")


def _cold_starts(aws: LoopbackAws) -> Iterator[Figure]:
    """Invoke each function alone, from a cold start to its first result."""
    events: dict[str, dict[str, Any]] = {
        "update_symbols": {"input": {"date": str(DAYS[1]), "symbols": ["0000"]}},
        "fetch_batch": {"date": str(DAYS[1]), "symbols": ["0000"], "batchNumber": 0},
        "summarise": {"state": {}},
    }
    for name in spec()["functions"]:
        aws.lambdas.forget()
        aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps({"run": "cold", **events.get(name, {})}))
        one = aws.lambdas.invoked[-1]
        yield Figure(f"cold start to first result: {name}", one.started + one.ran, "s")


def _packages() -> Iterator[Figure]:
    packages = build(FOLDER, architecture(), python()[1])
    largest = max(unzipped(packages, name) for name in spec()["functions"])
    yield Figure("largest function with its layers, unzipped", largest / 2**20, "MiB", UNZIPPED_LIMIT >> 20)


def _costs(daily: Run, stored: float, checked: bool) -> Iterator[Figure]:
    """Yield the costs of a month of 2,300 symbols: invocations as measured, fetch_batch with the real waiting times."""
    batches = ASX / 100
    functions = spec()["functions"]
    usage: Counter[str] = Counter()
    measured = Counter(one.function for one in daily.invoked)
    for one in daily.invoked:
        memory = functions[one.function]["memory"]
        times = RUNS * (batches / measured["fetch_batch"] if one.function == "fetch_batch" else 1)
        waiting = SECONDS_PER_SYMBOL * 100 * SESSIONS / RUNS if one.function == "fetch_batch" else 0
        seconds = waiting + one.cpu * max(1, WHOLE_PROCESSOR / memory)
        usage["lambda_arm64_gb_second"] += times * seconds * memory / 1024
        usage["lambda_request"] += times
        usage["logs_gb"] += times * len(one.log) / 1e9
    for name, counted in daily.requests.items():
        times = RUNS * (batches / measured["fetch_batch"] if name == "fetch_batch" else 1)
        usage["s3_put"] += times * counted["put"]
        usage["s3_get"] += times * counted["get"]
    usage["states_transition"] += RUNS * (2 * batches + 10)
    usage["schedule_invocation"] += RUNS
    usage["s3_gb_month"] += stored / 1e9
    pipeline = monthly(usage)
    watching = monthly(
        {
            "alarm_metric_month": ALARMS,
            "custom_metric_month": METRICS,
            "dashboard_month": DASHBOARDS,
            "kms_key_month": KEYS,
        }
    )
    for cost in [*pipeline, *watching]:
        yield Figure(f"a month of {ASX:,} symbols: {cost.what}", cost.dollars, "$ at list price")
    run, everything = (sum(cost.dollars for cost in some) for some in (pipeline, [*pipeline, *watching]))
    paid = sum(cost.after_allowance for cost in [*pipeline, *watching])
    pipeline_goal, total_goal = (SEEDS["pipeline"], SEEDS["all"]) if checked else (None, None)
    yield Figure("a month, the pipeline alone (before: 1.41)", run, "$ at list price", pipeline_goal)
    yield Figure("a month, all, alarms and dashboard too (before: 7 to 15)", everything, "$ at list price", total_goal)
    yield Figure("a month, all, minus AWS's always-free allowances", paid, "$", pipeline_goal)


if __name__ == "__main__":
    main("The deployment on loopback", measure)
