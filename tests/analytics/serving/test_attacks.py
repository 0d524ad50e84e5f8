"""Random requests of every endpoint of the OpenAPI document: no error of the server, and answers as described."""

from __future__ import annotations

from typing import Any

import pytest

from tests.analytics.serving.server import Server

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed")
HEADERS = {"X-API-Key": "none"}


def attack(server: Server, examples: int, seed: int) -> None:
    """Send random requests to all endpoints, and check the answers."""
    from schemathesis.specs.openapi import checks

    api: Any = schemathesis.openapi.from_url(f"{server.address}/v1/openapi.json")
    operations = [result.ok() for result in api.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.given(case=operation.as_strategy())
        def sent(case: Any) -> None:
            # A type does not say all: a page token of another server, or an end before the start, is a 422.
            case.call_and_validate(headers=HEADERS, timeout=60, excluded_checks=[checks.positive_data_acceptance])

        sent()


@pytest.mark.slow
def test_every_endpoint_withstands_a_few_random_requests(server: Server) -> None:
    attack(server, 4, 1)


@pytest.mark.large
def test_every_endpoint_withstands_many_random_requests(server: Server) -> None:
    attack(server, 25, 2)
