"""What every Lambda function shares: its lake and settings, structured logs, errors of one line."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parameters import get_parameter
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from aws_lambda_powertools.utilities.typing import LambdaContext

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.configuration import settings as read_settings
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.events.validation import checked_event, event_type
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import MARKETS, Market
from stockstream.pipeline.setting_fields import Secret

SERVICE = "stockstream"
KEY_SECONDS = 3600
"""How long a key from SSM is used before it is read again."""
MAX_ERROR_CHARACTERS = 500
"""The state machine hands on the errors of all batches together."""

Handler = Callable[[Any, LambdaContext], Mapping[str, Any]]

logger = Logger(service=SERVICE)
"""Its name is that of our package, so the loggers of our modules write through it, with the same keys."""

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # The folder of the code is read-only, and DuckDB spills into the working directory.
    os.chdir(tempfile.gettempdir())


@dataclass(frozen=True)
class Invocation:
    """What a handler works with beside its event."""

    lake: Lake
    market: Market
    settings: Settings
    now: datetime
    """The run's clock, with a time zone: the same in every attempt."""
    seconds_left: Callable[[], float]
    """Returns the seconds until the timeout of this invocation."""


def lambda_handler(function: Callable[[Any, Invocation], Mapping[str, Any]], kind: Any = None) -> Handler:
    """Return a Lambda handler: logs as JSON with the run as correlation id, every error in one line.

    The event is validated by the type `kind`, by default that which the function declares for it.
    """
    kind = kind or event_type(function)

    @logger.inject_lambda_context(correlation_id_path="run", clear_state=True)
    def handler(event: Mapping[str, Any], context: LambdaContext) -> Mapping[str, Any]:
        try:
            event = checked_event(event, kind)
            return function(event, _invocation(event, context))
        except Exception as error:
            logger.exception("failed")
            raise _short(error) from None

    return handler


def _invocation(event: Mapping[str, Any], context: LambdaContext) -> Invocation:
    settings = _with_secrets(read_settings())
    lake = Lake(settings.lake_uri)
    now = datetime.fromisoformat(event["now"]) if event.get("now") else datetime.now(UTC)
    market = lake.market() or MARKETS[settings.market]
    return Invocation(lake, market, settings, now, lambda: context.get_remaining_time_in_millis() / 1000)


def _with_secrets(settings: Settings) -> Settings:
    """Return the settings with Polygon's key from the SSM parameter, if one is named; read again after an hour.

    Raises:
        UsageError: The parameter cannot be read.
    """
    name = settings.polygon_api_key_parameter
    if not name:
        return settings
    try:
        key = get_parameter(name, decrypt=True, max_age=KEY_SECONDS)
    except GetParameterError as error:
        raise UsageError(f"POLYGON_API_KEY_PARAMETER {name} cannot be read from SSM: {error}") from None
    return replace(settings, polygon_api_key=Secret(str(key)))


def _short(error: Exception) -> Exception:
    """Return an error of the same class name, which the state machine matches, without trace and with a short text."""
    named: type[Exception] = type(type(error).__name__, (Exception,), {})
    return named(str(error)[:MAX_ERROR_CHARACTERS])
