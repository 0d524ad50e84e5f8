"""What every Lambda shares: its lake and settings, structured logs, errors of one line."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parameters import get_parameter
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import SecretStr

from stockstream.pipeline.configuration import Settings, settings
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS, Market

Event = dict[str, Any]
Result = dict[str, Any]

SERVICE = "stockstream"
KEY_SECONDS = 3600
LONGEST_ERROR = 500
"""Characters: the errors of all batches together are handed on by the state machine."""

logger = Logger(service=SERVICE)

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # The folder of the code is read-only, and DuckDB spills beside where it is started.
    os.chdir(tempfile.gettempdir())


@dataclass(frozen=True)
class Invocation:
    """What a handler works with: `now` (aware) is the run's clock, `seconds_left` this invocation's."""

    lake: Lake
    market: Market
    settings: Settings
    now: datetime
    seconds_left: Callable[[], float]


def lambda_handler(step: Callable[[Event, Invocation], Result]) -> Callable[[Event, LambdaContext], Result]:
    """Make a Lambda handler: logs as JSON with the run as correlation id, every error one line."""

    @logger.inject_lambda_context(correlation_id_path="run", clear_state=True)
    def handler(event: Event, context: LambdaContext) -> Result:
        _log_like_powertools()
        try:
            return step(event, _invocation(event, context))
        except Exception as error:
            logger.exception("failed")
            raise _short(error) from None

    return handler


def _invocation(event: Event, context: LambdaContext) -> Invocation:
    known = _with_secrets(settings())
    lake = Lake(known.lake_uri)
    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    market = lake.market() or MARKETS[known.market]
    return Invocation(lake, market, known, now, lambda: context.get_remaining_time_in_millis() / 1000)


def _with_secrets(known: Settings) -> Settings:
    """Take Polygon's key from the SSM parameter that is named, asked for again after an hour.

    Raises:
        UsageError: it cannot be read.
    """
    name = known.polygon_api_key_parameter
    if not name:
        return known
    try:
        key = get_parameter(name, decrypt=True, max_age=KEY_SECONDS)
    except GetParameterError as error:
        raise UsageError(f"POLYGON_API_KEY_PARAMETER {name} cannot be read from SSM: {error}") from None
    return known.model_copy(update={"polygon_api_key": SecretStr(str(key))})


def _log_like_powertools() -> None:
    """Have our modules' own loggers write as powertools does, with the same keys."""
    for name in ("pipeline", "sql"):
        ours = logging.getLogger(name)
        ours.handlers, ours.propagate = [logger.registered_handler], False
        ours.setLevel(logger.log_level)


def _short(error: Exception) -> Exception:
    """Give an error of the same name, by which the state machine tells errors apart, without trace and long text."""
    named: type[Exception] = type(type(error).__name__, (Exception,), {})
    return named(str(error)[:LONGEST_ERROR])
