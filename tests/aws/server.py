"""AWS on loopback: moto's server, whose Step Functions execute state machines and whose Lambda runs what is uploaded.

    with LoopbackAws() as aws:
        terraform apply, with aws.environment
        aws.client("stepfunctions").start_execution(...)

Calls that moto 5.2.5 does not implement are added here in their simplest form. Any other missing call is refused and
listed in `aws.missing`: Terraform would retry moto's own answer (HTTP 500) for hours.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from typing import Any
from unittest.mock import patch

import boto3
from moto.athena.responses import AthenaResponse
from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.budgets.responses import BudgetsResponse
from moto.cloudfront.models import DefaultCacheBehaviour, ViewerCertificate
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.responses import ActionResult, BaseResponse
from moto.ecs.models import Service
from moto.iam.access_control import PermissionResult
from moto.kinesis.responses import KinesisResponse
from moto.s3.models import FakeBucket, FakeDeleteMarker
from moto.s3.responses import S3Response
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.responses import StepFunctionResponse

from tests.aws import conditions
from tests.aws.faults import Faults
from tests.aws.lambdas import Invoked, Lambdas
from tests.aws.rights import Rights, signer
from tests.aws.sandbox import Function
from tests.aws.service_rights import checked
from tests.aws.streams import Streams
from tests.s3_server import CREDENTIALS, REGION, S3Server

RETRY_SCALE = 0.01
"""Factor of the waiting times between attempts in the definition of the state machine."""


class LoopbackAws:
    """The server, running inside `with`; at most one per process."""

    def __init__(self, retry_scale: float = RETRY_SCALE, compiled: bool = False) -> None:
        """Prepare the server. `compiled`: see Lambdas."""
        self.missing: list[str] = []
        self.waited: list[float] = []
        """Seconds that Step Functions would have waited before each retry."""
        self.faults = Faults(self._kill)
        self.rights = Rights()
        self.streams = Streams()
        self.s3 = S3Server(lambda app: checked(self.faults.around(app, signer), self.rights))
        self.url = self.s3.url
        self.environment = self.s3.environment
        self.lambdas = Lambdas(self.environment, compiled)
        self._budget_tags: list[dict[str, str]] = []
        self._retry_scale = retry_scale
        # moto's interpreter calls Lambda and SNS at this port.
        self._patches = [patch.dict(os.environ, MOTO_PORT=self.url.rsplit(":", 1)[1])]
        self._patches += [
            patch.dict(default_user_config["stepfunctions"], execute_state_machine=True),
            patch.object(LambdaFunction, "invoke", self._invoke()),
            patch.object(BaseResponse, "call_action", self._call_action()),
            patch.object(retrier_decl, "time", self),
            patch.object(BudgetsResponse, "create_budget", self._create_budget()),
            # moto takes every condition of a bucket policy as not met, and every right as given.
            patch.object(
                S3Response, "_key_response", self.rights.of_objects(conditions.noting(S3Response._key_response))
            ),
            patch.object(S3Response, "_bucket_response", self.rights.of_buckets(S3Response._bucket_response)),
            patch.object(FakeBucket, "get_permission", self._permission()),
            # moto forgets the tags with which a stream is created, and an attribute of services that has a default.
            patch.object(KinesisResponse, "create_stream", _create_stream(KinesisResponse.create_stream)),
            # moto states settings of a distribution that were not sent, which AWS refuses beside others.
            patch.object(DefaultCacheBehaviour, "__init__", _without(DefaultCacheBehaviour, "ForwardedValues")),
            patch.object(ViewerCertificate, "__init__", _without(ViewerCertificate, "SSLSupportMethod")),
            patch.object(Service, "availability_zone_rebalancing", "DISABLED", create=True),
            # Deleting all versions of a bucket with delete markers.
            patch.object(FakeDeleteMarker, "dispose", lambda *_, **__: None, create=True),
        ]
        self._patches += self.streams.patches()
        for response, name, answer in (
            (StepFunctionResponse, "validate_state_machine_definition", _validate),
            (StepFunctionResponse, "list_state_machine_versions", {"stateMachineVersions": []}),
            (AthenaResponse, "delete_named_query", _delete_named_query),
            (BudgetsResponse, "describe_subscribers_for_notification", _subscribers),
            (BudgetsResponse, "list_tags_for_resource", lambda _: {"ResourceTags": self._budget_tags}),
        ):
            self._patches.append(patch.object(response, name, _answering(answer), create=True))

    def __enter__(self) -> LoopbackAws:
        BackendDict.reset()  # all servers of a process share one account: the one before may have left something
        self.s3.__enter__()
        for one in self._patches:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in reversed(self._patches):
            one.stop()
        self.s3.__exit__()
        self.lambdas.forget()

    def client(self, service: str, key: str = CREDENTIALS["AWS_ACCESS_KEY_ID"], config: Any = None) -> Any:
        return boto3.client(
            service,
            config=config,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def sleep(self, seconds: float) -> None:
        """Wait before a retry; replaces the interpreter's time.sleep()."""
        self.waited.append(seconds)
        threading.Event().wait(seconds * self._retry_scale)

    def _kill(self, function: str) -> None:
        self.lambdas.kill(function)

    def _invoke(self) -> Any:
        lambdas = self.lambdas

        def invoke(function: LambdaFunction, body: Any, request: Any, response: Any) -> bytes:
            backend = lambda_backends[function.account_id][function.region]
            layers = [backend.layers_versions_by_arn(layer["Arn"]).code_bytes for layer in function.layers]
            deployed = Function(
                function.function_name,
                function.code_bytes,
                tuple(layers),
                function.handler,
                dict(function.environment_vars or {}),
                float(function.timeout),
                function.memory_size,
            )
            invoked = lambdas.invoke(deployed, body if isinstance(body, bytes) else (body or "{}").encode())
            _answered(response, invoked)
            return invoked.answer

        return invoke

    def _permission(self) -> Any:
        rights = self.rights

        def permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
            if action == "s3:DeleteObject" and not rights.allow(action, resource):
                return PermissionResult.DENIED
            return conditions.permission(bucket, action, resource)

        return permission

    def _create_budget(self) -> Any:
        create_budget = BudgetsResponse.create_budget

        def create(response: BudgetsResponse) -> str:
            self._budget_tags = response._get_param("ResourceTags") or []
            return str(create_budget(response))

        return create

    def _call_action(self) -> Any:
        call_action, missing = BaseResponse.call_action, self.missing

        def call(response: BaseResponse) -> Any:
            try:
                return call_action(response)
            except NotImplementedError as error:
                missing.append(str(error))
                return 400, {}, json.dumps({"__type": "NotImplementedInMoto", "message": str(error)})

        return call


def _answered(headers: dict[str, str], invoked: Invoked) -> None:
    if invoked.error:
        headers["x-amz-function-error"] = "Unhandled"
    headers["x-amz-log-result"] = base64.b64encode(invoked.log.encode()[-4096:]).decode()
    headers["Content-Length"] = str(len(invoked.answer))


def _answering(answer: Any) -> Any:
    return lambda response: ActionResult(answer(response) if callable(answer) else answer)


def _create_stream(create_stream: Any) -> Any:
    def create(response: KinesisResponse) -> Any:
        answer = create_stream(response)
        if tags := response._get_param("Tags"):
            response.kinesis_backend.add_tags_to_stream(None, response._get_param("StreamName"), tags)
        return answer

    return create


def _without(kind: type, name: str) -> Any:
    """Return the constructor of a part of a distribution, which leaves out a setting that was not sent."""
    construct, attribute = kind.__init__, re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=SSL)", "_", name).lower()  # type: ignore[misc]

    def init(self: Any, config: dict[str, Any]) -> None:
        construct(self, config)
        if name not in config:
            setattr(self, attribute, None)

    return init


def _subscribers(response: BudgetsResponse) -> dict[str, Any]:
    budget = response.backend.budgets[response._get_param("AccountId")][response._get_param("BudgetName")]
    notification = response._get_param("Notification")
    same = ("NotificationType", "ComparisonOperator", "Threshold")
    matching = [n for n in budget.notifications if all(n.details[name] == notification[name] for name in same)]
    return {"Subscribers": matching[0].subscribers if matching else []}


def _delete_named_query(response: AthenaResponse) -> dict[str, Any]:
    response.athena_backend.named_queries.pop(response._get_param("NamedQueryId"), None)
    return {}


def _validate(response: BaseResponse) -> dict[str, Any]:
    """Validate a definition with moto's own parser."""
    try:
        AmazonStateLanguageParser.parse(response._get_param("definition"))
    except Exception as error:
        problem = {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": str(error)}
        return {"result": "FAIL", "diagnostics": [problem], "truncated": False}
    return {"result": "OK", "diagnostics": [], "truncated": False}
