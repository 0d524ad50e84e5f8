"""The speed layer on loopback: apply, its functions as they are deployed, a second plan, and destroy (`make e2e`)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.terraform.packages import spec
from tests.aws.sandbox import architecture, python
from tests.aws.server import LoopbackAws
from tests.pipeline.live.cloud import announced, kinesis_event, kinesis_record
from tests.pipeline.live.feed import DAY, frames, seconds
from tests.terraform.deployment import Terraform

pytestmark = pytest.mark.e2e

IMAGE = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/stockstream-dev-producer:1"
SUBSCRIPTIONS = [
    {"protocol": "email", "endpoint": "trader@example.org"},
    {"protocol": "sms", "endpoint": "+61400000000", "filter": {"severity": ["critical"]}},
]
SYMBOLS = ["AAA", "BBB"]


class Speed:
    """The deployment, and AWS on loopback."""

    def __init__(self, aws: LoopbackAws, terraform: Terraform) -> None:
        self.aws, self.terraform = aws, terraform
        outputs = terraform.outputs()
        self.live: dict[str, str] = outputs["live"]
        self.lake = f"s3://{outputs['bucket']}"
        self.functions = {name: arn.rsplit(":", 1)[1] for name, arn in outputs["function_arns"].items()}

    def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Invoke a deployed function; return its answer."""
        response = self.aws.client("lambda").invoke(FunctionName=self.functions[function], Payload=json.dumps(event))
        answer = json.loads(response["Payload"].read())
        assert "FunctionError" not in response, answer
        return answer  # type: ignore[no-any-return]

    def metrics(self, function: str) -> list[dict[str, Any]]:
        """Return the metrics that a function has logged: namespace, name, dimensions."""
        logs = [one.log for one in self.aws.lambdas.invoked if one.function == self.functions[function]]
        lines = [json.loads(line) for log in logs for line in log.splitlines() if '"_aws"' in line]
        return [
            {
                "Namespace": group["Namespace"],
                "MetricName": metric["Name"],
                "Dimensions": {name: line[name] for name in group["Dimensions"][0]},
            }
            for line in lines
            for group in line["_aws"]["CloudWatchMetrics"]
            for metric in group["Metrics"]
        ]


@pytest.fixture(scope="module")
def speed(terraform_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speed]:
    with LoopbackAws(compiled=True) as aws:
        terraform = Terraform(
            tmp_path_factory.mktemp("checkout"),
            aws.environment,
            architecture=architecture(),
            python_version=python()[1],
            require_tls=False,
            lake_may_be_destroyed=True,
            speed_enabled=True,
            market="US",
            data_source="polygon",
            polygon_api_key_parameter="/stockstream/polygon",
            producer={"source": "polygon"},
            producer_image=IMAGE,
            alert_subscriptions=SUBSCRIPTIONS,
        )
        terraform.init()
        terraform.apply()
        aws.client("ssm").put_parameter(Name="/stockstream/polygon", Type="SecureString", Value="any")
        yield Speed(aws, terraform)
        assert not aws.missing


def test_the_second_plan_is_empty(speed: Speed) -> None:
    assert speed.terraform.plan() == {}


def test_the_deployed_functions_fold_and_publish(speed: Speed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no right that their roles do not allow, and metrics that the alarms know."""
    for name, value in speed.aws.environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    lake = Lake(speed.lake)
    announced(lake, SYMBOLS, source="replay:day.jsonl")
    records = [kinesis_record(number, frame) for number, frame in enumerate(frames(seconds(SYMBOLS, 30), 10))]
    assert speed.invoke("fold_events", kinesis_event(records)) == {"batchItemFailures": []}
    assert speed.invoke("fold_events", kinesis_event(records)) == {"batchItemFailures": []}
    client = speed.aws.client("dynamodb")
    items = client.scan(TableName=speed.live["table"])["Items"]
    assert {(item["symbol"]["S"], item["session"]["S"]) for item in items} == {(name, str(DAY)) for name in SYMBOLS}
    queue = mailbox(speed)
    (published,) = speed.invoke("publish_live", {})["sessions"]
    assert (published["session"], published["symbols"], published["refused"]) == (str(DAY), len(SYMBOLS), None)
    assert published["state"] in lake.store.list(f"live/{DAY}/bars/")
    assert list(lake.store.list("raw_events/arrivals/"))
    messages = speed.aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    alerts = [json.loads(message["Body"]) for message in messages]
    speed.aws.client("sqs").delete_queue(QueueUrl=queue)
    assert speed.aws.rights.refused == set()
    assert {alert["MessageAttributes"]["symbol"]["Value"] for alert in alerts} == {*SYMBOLS}, published
    assert {"rule", "severity", "symbol"} <= set.intersection(*(set(alert["MessageAttributes"]) for alert in alerts))


def mailbox(speed: Speed) -> str:
    """Subscribe a queue to the alerts; return its URL."""
    url = speed.aws.client("sqs").create_queue(QueueName="mailbox")["QueueUrl"]
    arn = speed.live["topic_arn"].replace(":sns:", ":sqs:").rsplit(":", 1)[0] + ":mailbox"
    speed.aws.client("sns").subscribe(TopicArn=speed.live["topic_arn"], Protocol="sqs", Endpoint=arn)
    return str(url)


def test_every_metric_of_an_alarm_is_one_that_is_logged(speed: Speed) -> None:
    logged = [*speed.metrics("fold_events"), *speed.metrics("publish_live")]
    alarms = speed.aws.client("cloudwatch").describe_alarms(AlarmNamePrefix="stockstream-dev-live-")["MetricAlarms"]
    ours = [
        {
            "Namespace": metric["Namespace"],
            "MetricName": metric["MetricName"],
            "Dimensions": {one["Name"]: one["Value"] for one in metric["Dimensions"]},
        }
        for alarm in alarms
        for query in alarm["Metrics"]
        if (metric := query.get("MetricStat", {}).get("Metric", {})).get("Namespace") == "StockStream"
    ]
    names = {"AlertRuleErrors", "FailedBatches", "SecondsSinceEvent", "SymbolsWithMissed", "UndeliveredAlerts"}
    assert {one["MetricName"] for one in ours} == names
    outside = "SecondsSinceEvent"  # logged in a session only
    assert [one for one in ours if one not in logged and one["MetricName"] != outside] == []
    dimensions = [one["Dimensions"] for one in ours]
    assert dimensions == [{"environment": "dev", "market": "US"}] * len(ours)


def test_the_functions_know_what_was_created(speed: Speed) -> None:
    client = speed.aws.client("lambda")
    expected = {
        "LIVE_STREAM": speed.live["stream"],
        "LIVE_TABLE": speed.live["table"],
        "ALERT_TOPIC_ARN": speed.live["topic_arn"],
    }
    live = set(spec()["live_functions"])
    assert live < set(speed.functions)
    for name, function in speed.functions.items():
        variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        known = expected if name in live else {"ALERT_TOPIC_ARN": expected["ALERT_TOPIC_ARN"]}
        known = known if name in (*live, "send_alerts") else {}
        assert {key: variables[key] for key in expected if key in variables} == known, name
    publish = client.get_function_concurrency(FunctionName=speed.functions["publish_live"])
    assert publish["ReservedConcurrentExecutions"] == 1


def test_the_stream_is_folded_and_what_fails_is_kept(speed: Speed) -> None:
    (mapping,) = speed.aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mapping["FunctionArn"].endswith(f":{speed.functions['fold_events']}")
    assert mapping["EventSourceArn"].endswith(f":stream/{speed.live['stream']}")
    assert (mapping["FunctionResponseTypes"], mapping["BisectBatchOnFunctionError"]) == (
        ["ReportBatchItemFailures"],
        True,
    )
    queue = speed.live["failures_url"].rsplit("/", 1)[1]
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"].endswith(f":{queue}")
    summary = speed.aws.client("kinesis").describe_stream_summary(StreamName=speed.live["stream"])
    assert summary["StreamDescriptionSummary"]["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert summary["StreamDescriptionSummary"]["EncryptionType"] == "KMS"


def test_subscribers_get_what_their_filter_lets_through(speed: Speed) -> None:
    client = speed.aws.client("sns")
    listed = client.list_subscriptions_by_topic(TopicArn=speed.live["topic_arn"])["Subscriptions"]
    people = {(one["Protocol"], one["Endpoint"]) for one in listed if one["Protocol"] != "sqs"}
    assert people == {(one["protocol"], one["endpoint"]) for one in SUBSCRIPTIONS}
    (sms,) = [one["SubscriptionArn"] for one in listed if one["Protocol"] == "sms"]
    attributes = client.get_subscription_attributes(SubscriptionArn=sms)["Attributes"]
    assert json.loads(attributes["FilterPolicy"]) == {"severity": ["critical"]}


def test_no_policy_of_the_speed_layer_allows_everything(speed: Speed) -> None:
    """Actions have no wildcard; a resource may end with one after a folder or a log group. A token has no resource."""
    policies = {
        one["values"]["role"]: json.loads(one["values"]["policy"])["Statement"]
        for one in speed.terraform.resources()
        if one["type"] == "aws_iam_role_policy" and one["address"].startswith("module.speed[0].")
    }
    assert len(policies) == 5, "two functions, the schedules, the producer, and Fargate that starts it"
    for name, statements in policies.items():
        for statement in statements:
            if statement["Sid"] == "Token":
                continue
            for action in statement["Action"]:
                assert re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action), f"{name} may {action}"
            for resource in statement["Resource"]:
                assert re.fullmatch(r"arn:aws:[^*]+[^:*](/|:log-stream:)\*|arn:aws:[^*]+", resource), (
                    f"{name}: {resource}"
                )


def test_destroy_leaves_nothing(speed: Speed) -> None:
    speed.terraform.destroy()
    assert list(speed.terraform.resources()) == []
    client = speed.aws.client
    clusters = client("ecs").describe_clusters(clusters=client("ecs").list_clusters()["clusterArns"])["clusters"]
    left = {
        "streams": client("kinesis").list_streams()["StreamNames"],
        "tables": client("dynamodb").list_tables()["TableNames"],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "topics": client("sns").list_topics()["Topics"],
        "mappings": client("lambda").list_event_source_mappings()["EventSourceMappings"],
        "functions": client("lambda").list_functions()["Functions"],
        "repositories": client("ecr").describe_repositories()["repositories"],
        "clusters": [one for one in clusters if one["status"] != "INACTIVE"],
        "schedules": client("scheduler").list_schedules()["Schedules"],
        "alarms": client("cloudwatch").describe_alarms()["MetricAlarms"],
        "log groups": client("logs").describe_log_groups()["logGroups"],
        "roles": [one for one in client("iam").list_roles()["Roles"] if one["RoleName"].startswith("stockstream")],
        "Glue": client("glue").get_databases()["DatabaseList"],
    }
    assert {name: list(things) for name, things in left.items() if things} == {}
