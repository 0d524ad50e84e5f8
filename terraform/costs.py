"""The monthly costs on AWS, from usage and the price list in `prices.json`.

`python -m tests.benchmarks.deploy` measures the usage of the daily run. That of the speed layer is computed from
assumptions, which `python -m stockstream.terraform.costs` prints with the result, beside the system that it replaces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from math import ceil
from pathlib import Path
from typing import Any

PRICES = Path(__file__).with_name("prices.json")
SPEC = Path(__file__).with_name("packages.json")
SEED = {"Kinesis Streams": 50.0, "Kinesis Analytics": 50.0, "DynamoDB": 15.0}
"""What the predecessor expected its speed layer to cost, in US dollars per month; it does not say for which volume."""
SERVING_SEED = {"API Gateway": 10.0, "ElastiCache": 15.0, "CloudFront": 10.0}
"""The same of its serving layer."""
KB, GB = 2**10, 2**30
HOURS, SECONDS = 730, 3600
"""Hours of a month, seconds of an hour."""
LAMBDA_EVENT, BASE64, RECORD_OVERHEAD = 6 * 2**20, 4 / 3, 450
"""Maximum bytes of an event of Lambda, which has records in base64, each with so many bytes beside its data."""
AFTER_HOURS, TASK_HOURS = 2, 1.2
"""Hours of a session in which live bars are published, and the producer's task runs, beside those of the exchange."""
BUSY = 0.5
"""Share of its processor that fold_events may need, so that it catches up after a pause."""
EXPIRY_SESSIONS = 8
"""Sessions whose items are in the table: they expire after ten days, and are deleted some hours later."""
PUBLICATION_PUTS, PUBLICATION_GETS = 8, 10
"""Requests of a publication to S3: puts and lists, of the lease and the state; gets."""
ALARM_METRICS, CUSTOM_METRICS, IMAGE_GB = 17, 18, 0.5
"""Metrics in the alarms of `modules/speed/alarms.tf` and of the function publish_live; metrics that both functions log,
with their reasons; GB of the producer's images, compressed."""


SERVING_ALARM_METRICS, SOCKET_ALARM_METRICS, SOCKET_METRICS = 8, 8, 4
"""Metrics in the alarms of `modules/serving/alarms.tf` and of its functions in `modules/alarms`, without websockets and
for them; metrics that push_live logs."""


@dataclass(frozen=True)
class Cost:
    """One line of a bill: an amount, and its price in US dollars, at list price and after AWS's permanent free tier."""

    what: str
    amount: float
    dollars: float
    after_allowance: float


def monthly(usage: Mapping[str, float]) -> list[Cost]:
    """Return the costs of a month's usage. The keys of `usage` are those of `prices.json`.

    Raises:
        KeyError: A key has no price.
    """
    price_list = json.loads(PRICES.read_text())
    prices, free = price_list["prices"], price_list["always_free"]
    return [
        Cost(what, amount, amount * prices[what], max(0.0, amount - free.get(what, 0)) * prices[what])
        for what, amount in usage.items()
    ]


def _assumed(about: str, default: Any = MISSING) -> Any:
    """Return the field of an assumption."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What is assumed about a feed and about the way of its events; the defaults are those of `variables.tf`."""

    symbols: int = _assumed("symbols")
    interval: float = _assumed("seconds between two events of a symbol, on average over the session")
    hours: float = _assumed("hours of a session")
    event_bytes: int = _assumed("bytes of an event as the vendor sends it")
    item_bytes: int = _assumed("bytes of a live bar in DynamoDB, near the end of a session")
    task: tuple[float, float] = _assumed("processors and GB of the producer's task")
    sessions: int = _assumed("sessions per month", 21)
    linger: float = _assumed("seconds in which a symbol's events are packed into a record (producer.linger)", 5)
    window: float = _assumed("seconds in which records are collected for an invocation (live_batches.seconds)", 5)
    records: int = _assumed("maximum of records per invocation (live_batches.records)", 10_000)
    event_ms: float = _assumed("milliseconds of processor time to decode, fold and compress an event", 0.03)
    item_ms: float = _assumed("milliseconds of processor time to read and write an item", 2.0)
    start_ms: float = _assumed("milliseconds of an invocation beside its events", 20.0)
    publish_s: float = _assumed(
        "seconds to publish the live bars, once a minute until an hour after they are final", 4.0
    )
    kept: float = _assumed("share of an event's bytes that its raw event has, compressed, kept for a month", 0.2)
    log_bytes: int = _assumed("bytes of the log of an invocation", 1500)
    emails: int = _assumed("alerts by e-mail per session", 20)
    sms: int = _assumed("alerts by SMS per session", 1)

    @property
    def seconds(self) -> float:
        """Seconds of all sessions of a month."""
        return self.sessions * self.hours * SECONDS

    @property
    def events(self) -> float:
        """Events per second."""
        return self.symbols / self.interval

    @property
    def packed(self) -> float:
        """Events per record."""
        return max(1.0, self.linger / self.interval)

    @property
    def record_kb(self) -> int:
        """Size of a record as Kinesis counts it, which rounds each one up."""
        return ceil(self.packed * (self.event_bytes + 1) / KB)

    @property
    def shards(self) -> int:
        """Shards: each takes 1,000 records and 1 MB per second, and a stream on demand has at least four."""
        records = self.events / self.packed
        return max(4, ceil(records / 1000), ceil(records * self.record_kb / KB))

    @property
    def batch_seconds(self) -> float:
        """Seconds of a batch: the window, unless the records are too many or too large for one event of Lambda."""
        records = self.events / self.packed / self.shards
        size = records * (RECORD_OVERHEAD + BASE64 * self.packed * self.event_bytes)
        return min(self.window, self.records / records, LAMBDA_EVENT / size)

    @property
    def parallel(self) -> int:
        """Batches of a shard that have to be folded at once (live_batches.parallel)."""
        busy = self.events * self.event_ms + self.items / self.seconds * self.item_ms
        return ceil(busy / 1000 / self.shards / BUSY)

    @property
    def batches(self) -> float:
        """Batches of a month: invocations of fold_events, each with an object of raw events."""
        return self.seconds / self.batch_seconds * self.shards

    @property
    def items(self) -> float:
        """Items that are read and written in a month: one per batch and symbol that it has events of."""
        return self.seconds * self.symbols / max(self.batch_seconds, self.interval * self.packed)


def live_usage(feed: Feed) -> dict[str, float]:
    """Return a month of a speed layer in the units of `prices.json`: what the module `speed` has, in use."""
    memory = {name: one["memory"] / KB for name, one in json.loads(SPEC.read_text())["live_functions"].items()}
    events = feed.seconds * feed.events
    records = events / feed.packed
    publications = feed.sessions * 60 * (feed.hours + AFTER_HOURS)
    folding = (events * feed.event_ms + feed.items * feed.item_ms + feed.batches * feed.start_ms) / 1000
    task_hours = feed.sessions * (feed.hours + TASK_HOURS)
    reads = ceil(feed.item_bytes / (4 * KB))
    gb_items = feed.symbols * feed.item_bytes * EXPIRY_SESSIONS / GB
    return {
        "kinesis_stream_hour": HOURS,
        "kinesis_gb_in": records * feed.record_kb * KB / GB,
        "kinesis_gb_out": events * feed.event_bytes / GB,
        "lambda_arm64_gb_second": folding * memory["fold_events"]
        + publications * feed.publish_s * memory["publish_live"],
        "lambda_request": feed.batches + publications,
        "dynamodb_write_unit": feed.items * ceil(feed.item_bytes / KB),
        "dynamodb_read_unit": (feed.items + publications * feed.symbols) * reads,
        "dynamodb_gb_month": gb_items,
        "dynamodb_backup_gb_month": gb_items,
        "s3_put": feed.batches + publications * PUBLICATION_PUTS,
        "s3_get": publications * PUBLICATION_GETS,
        "s3_gb_month": events * feed.event_bytes * feed.kept / GB,
        "fargate_arm64_cpu_hour": task_hours * feed.task[0],
        "fargate_arm64_gb_hour": task_hours * feed.task[1],
        "public_address_hour": task_hours,
        "ecr_gb_month": IMAGE_GB,
        "logs_gb": (feed.batches + publications) * feed.log_bytes / GB,
        "alarm_metric_month": ALARM_METRICS,
        "custom_metric_month": CUSTOM_METRICS,
        "schedule_invocation": publications + 2 * feed.sessions,
        "sns_email": feed.sessions * feed.emails,
        "sns_sms_australia": feed.sessions * feed.sms,
    }


ASX = Feed(symbols=2300, interval=30, hours=6, event_bytes=180, item_bytes=900, task=(0.25, 1))
"""ASX, polled every 30 seconds (`yahoo-poll`)."""
US = Feed(symbols=10_000, interval=1, hours=6.5, event_bytes=190, item_bytes=1110, task=(0.5, 1))
"""All US stocks by the second (`polygon`): 10,000 events per second."""
US_MINUTES = replace(US, interval=60, item_bytes=900, task=(0.25, 1))
"""The same by the minute (channel AM)."""
FEEDS = {
    "2,300 ASX symbols, polled every 30 s": ASX,
    "all US stocks by the second, 10,000 events/s": US,
    "all US stocks by the minute": US_MINUTES,
}


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What is assumed about the use of a serving layer, beside a speed layer."""

    requests: float = _assumed("requests per month")
    kb: float = _assumed("KB of an answer, on average", 20)
    cached: float = _assumed("share of the requests that CloudFront answers (assets of pages)", 0.1)
    request_ms: float = _assumed("milliseconds of an answer in the function", 30)
    cold: float = _assumed("share of the answers that need a new execution environment", 0.01)
    cold_s: float = _assumed("seconds of a cold start, with the serving file from S3", 4)
    file_mb: float = _assumed("MB of a serving file, of which the lake has three and a run makes one", 300)
    make_s: float = _assumed("seconds to make a serving file, per session", 60)
    storage_mb: float = _assumed("MB of /tmp of the function (serving.storage)", 4096)
    sockets: float = _assumed("open websockets in a session")
    symbols: float = _assumed("symbols that a websocket has subscribed to", 20)
    push_s: float = _assumed("seconds between two invocations that send bars, in a session", 1)
    push_ms: float = _assumed("milliseconds of an invocation beside its messages", 50)
    message_ms: float = _assumed("milliseconds per message, of which 32 are sent at once", 0.5)
    hours: float = _assumed("hours of a session", 6)
    sessions: int = _assumed("sessions per month", 21)


def serving_usage(use: Serving) -> dict[str, float]:
    """Return a month of a serving layer in the units of `prices.json`: what the module `serving` has, in use."""
    spec = json.loads(SPEC.read_text())
    memory = {name: one["memory"] / KB for name, one in spec["serving_functions"].items()}
    maker = spec["functions"]["publish_serving"]["memory"] / KB
    seconds = use.sessions * use.hours * SECONDS
    answered = use.requests * (1 - use.cached)
    pushes = seconds / use.push_s if use.sockets else 0.0
    messages = pushes * use.sockets
    compute = answered * (use.request_ms / 1000 + use.cold * use.cold_s)
    pushing = pushes * use.push_ms / 1000 + messages * use.message_ms / 1000
    connection_kb = 0.1 + use.symbols * 0.008
    return {
        "http_api_request": answered,
        "cloudfront_request": use.requests,
        "cloudfront_gb": use.requests * use.kb * KB / GB,
        "lambda_arm64_gb_second": compute * memory["serve_http"]
        + pushing * memory["push_live"]
        + use.sessions * use.make_s * maker,
        "lambda_storage_gb_second": compute * max(0.0, use.storage_mb / KB - 0.5),
        "lambda_request": answered + pushes + use.sessions * (1 + 3 * use.sockets),
        "s3_get": answered * use.cold * (use.file_mb / 16 + 3),
        "s3_put": use.sessions * 2 + answered * use.cold,
        "s3_gb_month": 4 * use.file_mb / KB,
        "socket_message": messages + 3 * use.sessions * use.sockets,
        "socket_minute": use.sockets * seconds / 60,
        "dynamodb_write_unit": 3 * use.sessions * use.sockets,
        "dynamodb_read_unit": pushes * ceil(use.sockets * connection_kb / 8) if use.sockets else 0.0,
        "logs_gb": answered * 1500 / GB + pushes * 1000 / GB,
        "alarm_metric_month": SERVING_ALARM_METRICS + (SOCKET_ALARM_METRICS if use.sockets else 0),
        "custom_metric_month": SOCKET_METRICS if use.sockets else 0,
    }


USES = {
    "a desk: 100,000 requests, 3 websockets": Serving(requests=1e5, sockets=3),
    "a small firm: a million requests, 20 websockets": Serving(requests=1e6, sockets=20),
    "a large firm: ten million requests, half of them assets, no websocket": Serving(
        requests=1e7, sockets=0, cached=0.5
    ),
}


def serving_report() -> Iterator[str]:
    """Yield the lines of the estimate of the serving layer: assumptions and costs."""
    seed = sum(SERVING_SEED.values())
    names = ", ".join(f"{name} {dollars:.0f}" for name, dollars in SERVING_SEED.items())
    yield f"\nThe predecessor's estimate of a serving layer: ${seed:.0f} per month ({names})."
    for name, use in USES.items():
        yield f"\n{name}"
        yield from (f"    {_shown(getattr(use, one.name)):>10}  {one.metadata['about']}" for one in fields(use))
        bill = monthly(serving_usage(use))
        yield f"\n    {'dollars per month':<34}{'list price':>12}{'after allowance':>18}"
        yield from (f"    {one.what:<34}{one.dollars:>12.2f}{one.after_allowance:>18.2f}" for one in bill)
        totals = sum(one.dollars for one in bill), sum(one.after_allowance for one in bill)
        yield f"    {'all':<34}{totals[0]:>12.2f}{totals[1]:>18.2f}"
        yield f"    {'against the predecessor':<34}{totals[0] / seed:>11.2f}x{totals[1] / seed:>17.2f}x"


def report() -> Iterator[str]:
    """Yield the lines of the estimate: assumptions and costs, with and without the packing of records."""
    seed = sum(SEED.values())
    yield f"Prices: {json.loads(PRICES.read_text())['source']}."
    yield f"The predecessor's estimate: ${seed:.0f} per month ({', '.join(f'{k} {v:.0f}' for k, v in SEED.items())})."
    for name, feed in FEEDS.items():
        yield f"\n{name}"
        yield from (f"    {_shown(getattr(feed, one.name)):>10}  {one.metadata['about']}" for one in fields(feed))
        single = replace(feed, linger=0)
        bills = [monthly(live_usage(one)) for one in (feed, single)]
        yield f"\n    {'dollars per month, at list price':<34}{'packed':>10}{'an event a record':>20}"
        for one, other in zip(*bills, strict=True):
            yield f"    {one.what:<34}{one.dollars:>10.2f}{other.dollars:>20.2f}"
        totals = [sum(cost.dollars for cost in bill) for bill in bills]
        yield f"    {'all':<34}{totals[0]:>10.2f}{totals[1]:>20.2f}"
        yield f"    {'against the predecessor':<34}{totals[0] / seed:>9.2f}x{totals[1] / seed:>19.2f}x"
        yield f"    {'shards':<34}{feed.shards:>10}{single.shards:>20}"
        yield f"    {'batches of a shard at once':<34}{feed.parallel:>10}{single.parallel:>20}"
        yield f"    {'seconds of a batch':<34}{feed.batch_seconds:>10.1f}{single.batch_seconds:>20.1f}"
        puts = {"an object per batch": feed.batches, "an object per batch and symbol": feed.items}
        for what, number in puts.items():
            yield f"    {'puts of raw events, ' + what:<54}{monthly({'s3_put': number})[0].dollars:>10.2f}"


def _shown(value: Any) -> str:
    return " + ".join(f"{one:g}" for one in value) if isinstance(value, tuple) else f"{value:,}"


if __name__ == "__main__":
    print("\n".join([*report(), *serving_report()]))
