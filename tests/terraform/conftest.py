"""One deployment for all tests of a module: the configuration itself, applied to AWS on loopback."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.aws.lambdas import Invoked
from tests.aws.sandbox import architecture, python
from tests.aws.server import LoopbackAws
from tests.exchange import Exchange
from tests.terraform.deployment import Terraform
from tests.yahoo_replay import YahooReplay


@dataclass(frozen=True)
class Ran:
    """A finished execution."""

    arn: str
    name: str
    status: str
    started: str
    """The run's clock, as the state machine passes it to the steps."""
    output: dict[str, Any]
    payloads: list[int]
    """Sizes in bytes of all inputs and outputs of states."""
    entered: list[str]
    """The names of the entered states, in order."""


class Deployment:
    """The deployed pipeline, replays of the exchange and of Yahoo, and the messages that it sends."""

    def __init__(self, aws: LoopbackAws, terraform: Terraform, exchange: Exchange, yahoo: YahooReplay) -> None:
        self.aws, self.terraform, self.exchange, self.yahoo = aws, terraform, exchange, yahoo
        self.outputs = terraform.outputs()
        self.lake = f"s3://{self.outputs['bucket']}"
        self.schedule = aws.client("scheduler").get_schedule(Name=self.outputs["rule_arn"].rsplit("/", 1)[1])
        self._queue = aws.client("sqs").create_queue(QueueName="mailbox")["QueueUrl"]
        arn = self.outputs["topic_arn"].replace(":sns:", ":sqs:").rsplit(":", 1)[0] + ":mailbox"
        aws.client("sns").subscribe(TopicArn=self.outputs["topic_arn"], Protocol="sqs", Endpoint=arn)

    def fire(self, **options: Any) -> Ran:
        """Start the schedule's target with its input and `options`, as the schedule does, and wait for the end."""
        states = self.aws.client("stepfunctions")
        target = self.schedule["Target"]
        text = json.dumps({**json.loads(target["Input"]), **options})
        arn = states.start_execution(stateMachineArn=target["Arn"], input=text, name=str(uuid.uuid4()))["executionArn"]
        while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(0.05)
        events = states.get_execution_history(executionArn=arn, maxResults=1000)["events"]
        details = [detail for event in events for name, detail in event.items() if name.endswith("Details")]
        texts = [str(detail[end]) for detail in details for end in ("input", "output", "cause") if detail.get(end)]
        entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
        now = next((json.loads(text)["now"] for text in texts if text.startswith('{"run"') and '"now"' in text), "")
        return Ran(
            arn,
            arn.rsplit(":", 1)[1],
            execution["status"],
            now,
            json.loads(execution.get("output") or "{}"),
            [len(text.encode()) for text in texts],
            entered,
        )

    def mails(self) -> list[dict[str, str]]:
        """Return what was published to the topic since the last call: Subject, Message."""
        mails = []
        sqs = self.aws.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                mails.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return mails

    @contextmanager
    def configured(self, function: str, **changes: Any) -> Iterator[None]:
        """Change a function's configuration while inside `with`."""
        client, name = self.aws.client("lambda"), self.outputs["function_arns"][function].rsplit(":", 1)[1]
        before = client.get_function_configuration(FunctionName=name)
        if "Environment" in changes:
            changes["Environment"] = {"Variables": {**before["Environment"]["Variables"], **changes["Environment"]}}
        client.update_function_configuration(FunctionName=name, **changes)
        yield
        client.update_function_configuration(FunctionName=name, **{key: before[key] for key in changes})

    def object(self, key: str) -> Any:
        """Return a JSON object of the lake."""
        body = self.aws.client("s3").get_object(Bucket=self.outputs["bucket"], Key=key)["Body"]
        return json.loads(body.read())

    def invoked(self, function: str) -> list[Invoked]:
        return [one for one in self.aws.lambdas.invoked if one.function.endswith(f"-{function.replace('_', '-')}")]


@pytest.fixture(scope="session")
def terraform_installed() -> None:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed here")


@pytest.fixture(scope="module")
def deployment(terraform_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with LoopbackAws(compiled=True) as aws, Exchange() as exchange, YahooReplay() as yahoo:
        terraform = Terraform(
            tmp_path_factory.mktemp("checkout"),
            aws.environment,
            architecture=architecture(),
            python_version=python()[1],
            require_tls=False,
            athena_enabled=True,
            alarm_emails=["ops@example.org"],
            settings={
                "STOCKSTREAM_ASX_URL": exchange.url,
                "STOCKSTREAM_ASX_FALLBACK_URLS": "[]",
                "STOCKSTREAM_YAHOO_URL": yahoo.url,
                "STOCKSTREAM_YAHOO_PAUSE": "0",
                "STOCKSTREAM_RETRY_ATTEMPTS": "1",
                "STOCKSTREAM_RETRY_WAIT": "0.01",
                "STOCKSTREAM_START": "2026-07-01",
            },
        )
        terraform.init()
        terraform.apply()
        yield Deployment(aws, terraform, exchange, yahoo)
        assert not aws.missing


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch, deployment: Deployment) -> None:
    """Use the settings of the deployed functions in this process."""
    from stockstream.pipeline.configuration import settings

    monkeypatch.delenv("STOCKSTREAM_RESAMPLE")  # the deployed functions resample to all intervals
    for name, value in {**deployment.aws.environment, **deployment.terraform.variables["settings"]}.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()


def lake_files(folder: Path) -> dict[str, bytes]:
    """Return the objects of a lake in a folder, by key."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
