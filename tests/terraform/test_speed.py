"""The speed layer: one apply on loopback, what it has created, a second plan, and destroy. Run it by `make e2e`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws.sandbox import architecture, python
from tests.aws.server import LoopbackAws
from tests.terraform.deployment import Terraform

pytestmark = pytest.mark.e2e

IMAGE = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/stockstream-dev-producer:1"
SUBSCRIPTIONS = [
    {"protocol": "email", "endpoint": "trader@example.org"},
    {"protocol": "sms", "endpoint": "+61400000000", "filter": {"severity": ["critical"]}},
]


class Speed:
    """The deployment, and AWS on loopback."""

    def __init__(self, aws: LoopbackAws, terraform: Terraform) -> None:
        self.aws, self.terraform = aws, terraform
        self.live = terraform.outputs()["live"]
        self.values: dict[str, dict[str, Any]] = {one["address"]: one["values"] for one in terraform.resources()}


@pytest.fixture(scope="module")
def speed(terraform_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speed]:
    with LoopbackAws() as aws:
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
        yield Speed(aws, terraform)
        assert not aws.missing


def test_the_second_plan_is_empty(speed: Speed) -> None:
    assert speed.terraform.plan() == {}


def test_destroy(speed: Speed) -> None:
    speed.terraform.destroy()
    assert list(speed.terraform.resources()) == []
