"""The Lambda function behind API Gateway's HTTP API: the application of `stockstream serve`, with the same answers.

Environment: STOCKSTREAM_LAKE, SERVING_KEYS_PARAMETER, SERVING_HOSTS. It makes no serving file, which takes too long for
a request: it serves the newest generation for which the step `publish_serving` has stored one. The pointer is read at
most once per second, when a request arrives: nothing runs between two requests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import gettempdir
from typing import Any, cast

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from mangum import Mangum

from stockstream.analytics.serving.aws.secrets import ParameterKeys, signing_secret
from stockstream.analytics.serving.generations import LOOK_SECONDS, Generations
from stockstream.analytics.serving.problems import TYPE, Problem
from stockstream.analytics.serving.server import Options, build
from stockstream.analytics.serving.session_file import SessionFile
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.handlers.runtime import logger
from stockstream.sql.errors import StockStreamError

MAX_BODY = 5 * 2**20
"""Characters of a body: an answer of Lambda has at most 6 MB, and bytes are sent as base64."""

assert boto3  # imported while the environment starts, which is faster than in the first request


@logger.inject_lambda_context(clear_state=True)
def handler(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
    """Event: a request in version 2.0 of the payload. Returns the answer."""
    try:
        generations, keys, adapter = _opened()
        if time.time() - generations.looked_at >= LOOK_SECONDS:
            generations.look()
        keys.read()
    except StockStreamError as error:
        logger.error("%s", error)
        return _problem(Problem(503, "the lake cannot be served at the moment", {"Retry-After": "5"}))
    answer: dict[str, Any] = adapter(dict(event), cast("Any", context))
    if len(answer["body"]) > MAX_BODY:
        return _problem(Problem(413, "the answer is too large: ask for fewer rows (limit), symbols or columns"))
    return answer


@cache
def _opened() -> tuple[Generations, ParameterKeys, Mangum]:
    """Return what an execution environment keeps from one request to the next."""
    values = settings()
    hosts = tuple(filter(None, (values.serving_hosts or "").split(",")))
    keys = ParameterKeys()
    options = Options(keys=keys, allow_hosts=hosts, threads=1, sessions=SessionFile(secret=signing_secret()))
    generations = Generations(values.lake_uri, Path(gettempdir()), makes_files=False)
    generations.open_newest()
    app = cast("Any", build(generations, options))
    return generations, keys, Mangum(app, lifespan="off", api_gateway_base_path="/")


def _problem(problem: Problem) -> dict[str, Any]:
    headers = {"content-type": TYPE, "cache-control": "no-store", **problem.headers}
    return {"statusCode": problem.status, "headers": headers, "body": json.dumps(problem.document())}
