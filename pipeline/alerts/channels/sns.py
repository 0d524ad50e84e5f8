"""`sns`: a topic of Amazon SNS, whose subscriptions (e-mail, SMS, SQS) filter by rule, severity and symbol."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from stockstream.pipeline.alerts.channels.base import Channel, Failure, Message, NotConfigured
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.setting_fields import EnvironmentSettings, setting
from stockstream.sql.text import one_line

MAX_ENTRIES = 10
"""Messages per request, a limit of SNS."""
MAX_BYTES = 250_000
"""Of the messages of a request with their attributes; the limit of SNS is 262,144."""
MAX_CHARACTERS = 1000
"""Of an alert's message, so that ten alerts are never more than a request takes."""
MAX_SMS, MAX_SUBJECT = 160, 100
_ARN = re.compile(r"arn:[a-z-]+:sns:(?P<region>[a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]+")

Entry = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class SnsSettings(EnvironmentSettings):
    """The setting of the channel."""

    topic: str | None = setting(None, "ALERT_TOPIC_ARN", "SNS topic to which alerts are published")


class Sns(Channel):
    """A topic."""

    name = "sns"
    max_messages: ClassVar[int] = MAX_ENTRIES

    def __init__(self, topic: str, read_timeout: float = 30.0) -> None:
        """Prepare the channel.

        Raises:
            UsageError: the topic is none, or one that delivers neither e-mail nor SMS.
        """
        if topic.endswith(".fifo"):
            raise UsageError(f"ALERT_TOPIC_ARN {topic}: a FIFO topic delivers neither e-mail nor SMS: name another one")
        if not (match := _ARN.fullmatch(topic)):
            raise UsageError(f"ALERT_TOPIC_ARN {one_line(topic)} is no topic: write arn:aws:sns:REGION:ACCOUNT:NAME")
        self._topic = topic
        import boto3  # with botocore, which takes a third of a second: only if a topic is configured
        from botocore.config import Config

        # The notifier repeats what fails, with its pauses.
        config = Config(connect_timeout=10, read_timeout=read_timeout, retries={"total_max_attempts": 1})
        self._client = boto3.client("sns", region_name=match["region"], config=config)
        self._answer = ""

    @classmethod
    def open(cls) -> Self:
        """Return the channel as the settings configure it."""
        topic = SnsSettings.read().topic
        if topic is None:
            raise NotConfigured("sns is not configured: set ALERT_TOPIC_ARN")
        return cls(topic.strip())

    def send(self, messages: Sequence[Message]) -> dict[int, Failure]:
        """Publish messages; a digest that is too large for one becomes several."""
        failures: dict[int, Failure] = {}
        entries = [(number, entry) for number, message in enumerate(messages) for entry in entries_of(message)]
        for batch in requests_of(entries):
            failures |= self._publish(batch)
        return failures

    def answer(self) -> str:
        """Return the identifier that SNS has returned for the last message."""
        return self._answer

    def _publish(self, batch: Sequence[tuple[int, Entry]]) -> dict[int, Failure]:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        request = [{"Id": str(place), **entry} for place, (_, entry) in enumerate(batch)]
        try:
            answer = self._client.publish_batch(TopicArn=self._topic, PublishBatchRequestEntries=request)
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            failure = _failure(error)
            return {number: failure for number, _ in batch}
        for one in answer.get("Successful", []):
            self._answer = f"message {one.get('MessageId')}"
        accepted = {one["Id"] for one in answer.get("Successful", [])}
        refused = {one["Id"]: one for one in answer.get("Failed", [])}
        return {
            number: _refusal(refused.get(str(place)))
            for place, (number, _) in enumerate(batch)
            if str(place) not in accepted
        }


def entries_of(message: Message) -> Iterator[Entry]:
    """Yield the entries of a message: one, or several for a digest that is larger than SNS allows."""
    entry = _entry(message)
    if size_of(entry) <= MAX_BYTES or not message.is_digest:
        yield entry
        return
    half = len(message.alerts) // 2
    for part in (message.alerts[:half], message.alerts[half:]):
        yield from entries_of(Message(part))


def requests_of(entries: Sequence[tuple[int, Entry]]) -> Iterator[list[tuple[int, Entry]]]:
    """Yield the entries in groups that one request takes."""
    group: list[tuple[int, Entry]] = []
    total = 0
    for number, entry in entries:
        size = size_of(entry)
        if group and (len(group) == MAX_ENTRIES or total + size > MAX_BYTES):
            yield group
            group, total = [], 0
        group.append((number, entry))
        total += size
    if group:
        yield group


def size_of(entry: Entry) -> int:
    """Return the bytes of an entry as SNS counts them: the message, and the names, types and values of attributes."""
    attributes: dict[str, dict[str, str]] = entry["MessageAttributes"]
    texts = [text for name, value in attributes.items() for text in (name, *value.values())]
    return sum(len(text.encode()) for text in (entry["Message"], entry["Subject"], *texts))


def _entry(message: Message) -> Entry:
    message = Message(tuple(_shortened(alert) for alert in message.alerts))
    by_protocol = {
        "default": json.dumps(message.document(), allow_nan=False),
        "email": message.text,
        "sms": _cut(message.text.replace("\n", " "), MAX_SMS),
    }
    return {
        "Message": json.dumps(by_protocol, ensure_ascii=False),
        "MessageStructure": "json",
        "Subject": _cut(message.subject.encode("ascii", "replace").decode(), MAX_SUBJECT),
        "MessageAttributes": _attributes(message),
    }


def _shortened(alert: Alert) -> Alert:
    return replace(alert, message=_cut(alert.message, MAX_CHARACTERS))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _attributes(message: Message) -> dict[str, dict[str, str]]:
    """Return the attributes that filter policies compare: in a digest, lists of which one value has to match."""
    attributes = {}
    for name in ("rule", "severity", "symbol"):
        values = [value for value in dict.fromkeys(getattr(alert, name) for alert in message.alerts) if value]
        if message.is_digest and values:
            attributes[name] = {"DataType": "String.Array", "StringValue": json.dumps(values, ensure_ascii=False)}
        elif values:
            attributes[name] = {"DataType": "String", "StringValue": values[0]}
    attributes["id"] = {"DataType": "String", "StringValue": message.key}
    return attributes


def _failure(error: Exception) -> Failure:
    """Return the failure of a whole request, from an error of botocore."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError
    from botocore.parsers import ResponseParserError

    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code"))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        text = one_line(str(error.response.get("Error", {}).get("Message", "")))[:200]
        is_transient = status == 429 or status >= 500 or _is_throttled(code)
        return Failure(f"SNS answers HTTP {status} {code}: {text}", is_final=not is_transient)
    is_transient = isinstance(error, (ConnectionError, HTTPClientError, ResponseParserError))
    reason = "does not answer" if is_transient else "cannot be called"
    return Failure(f"SNS {reason} ({type(error).__name__})", is_final=not is_transient)


def _refusal(failed: dict[str, Any] | None) -> Failure:
    """Return the failure of one message of a request; None: the answer does not mention it."""
    if failed is None:
        return Failure("SNS has not confirmed the message", is_final=False)
    code, text = str(failed.get("Code")), one_line(str(failed.get("Message", "")))[:200]
    is_final = bool(failed.get("SenderFault")) and not _is_throttled(code)
    return Failure(f"SNS refuses the message: {code}: {text}", is_final)


def _is_throttled(code: str) -> bool:
    return "throttl" in code.lower() or code == "RequestLimitExceeded"
