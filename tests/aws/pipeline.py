"""The pipeline on loopback without Terraform, for tests that need only its functions and its state machine."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from stockstream.terraform.packages import ROOT, build, handler, spec
from tests.aws.sandbox import architecture, python
from tests.aws.server import LoopbackAws

FOLDER = ROOT / f"build/packages/{architecture()}-{python()[1]}"
ROLE = "arn:aws:iam::123456789012:role/any"
ANYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}],
}
"""tests/terraform has the tests of what each function may do."""


@cache
def packages() -> dict[str, Path]:
    """Return the zip file of every layer and function for this machine.

    They are built once and kept in `build/`: the processes of a test session, and later sessions, share them.
    """
    return {name: package.path for name, package in build(FOLDER, architecture(), python()[1]).items()}


def deploy(aws: LoopbackAws, settings: Mapping[str, str]) -> str:
    """Upload the packages and the state machine; return the ARN of the state machine."""
    client, zips = aws.client("lambda"), packages()
    iam = aws.client("iam")
    iam.create_role(RoleName="any", AssumeRolePolicyDocument="{}")
    iam.put_role_policy(RoleName="any", PolicyName="any", PolicyDocument=json.dumps(ANYTHING))
    layers = {
        name: client.publish_layer_version(LayerName=name, Content={"ZipFile": zips[name].read_bytes()})[
            "LayerVersionArn"
        ]
        for name in spec()["layers"]
    }
    arns = {
        name: client.create_function(
            FunctionName=name,
            Role=ROLE,
            Runtime=f"python{python()[1]}",
            Handler=handler(name),
            Code={"ZipFile": zips[name].read_bytes()},
            Layers=[layers[layer] for layer in one["layers"]],
            Environment={"Variables": dict(settings)},
            Timeout=one["timeout"],
            MemorySize=one["memory"],
        )["FunctionArn"]
        for name, one in spec()["functions"].items()
    }
    topic = aws.client("sns").create_topic(Name="alarms")["TopicArn"]
    definition = (ROOT / "terraform/workflow.asl.json").read_text()
    for name, value in {**arns, "topic": topic, "environment": "loopback", "partition": "aws"}.items():
        definition = definition.replace(f"${{{name}}}", value)
    states = aws.client("stepfunctions")
    return str(states.create_state_machine(name="pipeline", definition=definition, roleArn=ROLE)["stateMachineArn"])


def execute(aws: LoopbackAws, machine: str, options: Mapping[str, object]) -> str:
    """Start an execution with `options` as its input; return its ARN."""
    states = aws.client("stepfunctions")
    execution = states.start_execution(stateMachineArn=machine, input=json.dumps(options), name=str(uuid.uuid4()))
    return str(execution["executionArn"])
