"""The keys of the callers, from an SSM parameter with the lines of `stockstream serve --keys`.

The parameter is read again every minute, so that a key that was removed opens nothing after that. Without the parameter
no one is answered: there is no server without keys on AWS.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from aws_lambda_powertools.utilities.parameters import get_parameter
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from stockstream.analytics.serving.keys import Key, Keys, keys_of
from stockstream.pipeline.configuration import settings
from stockstream.sql.errors import UsageError

SECONDS = 60
"""How long the parameter is used before it is read again."""


class ParameterKeys(Keys):
    """The keys of the parameter.

    Raises:
        UsageError: the parameter cannot be read, or has no key.
    """

    def __init__(self) -> None:
        super().__init__(())
        self.read()

    def read(self) -> None:
        """Use the parameter as it is now, or was a minute ago."""
        self._keys = keys_of(f"the SSM parameter {_name()}", _text())._keys


def signing_secret() -> bytes:
    """Return the secret of what the server signs: the same in all execution environments, another for other keys."""
    return hmac.digest(_text().encode(), b"signatures", "sha256")


def holder(headers: Mapping[str, str]) -> Key | None:
    """Return the key of a request by its headers, whose names are in lower case; None: it has none."""
    kind, _, text = headers.get("authorization", "").partition(" ")
    sent = text.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")
    return ParameterKeys().of(sent) if sent else None


def _name() -> str:
    name = settings().serving_keys_parameter
    if not name:
        raise UsageError("set SERVING_KEYS_PARAMETER: the SSM parameter with the keys of the callers")
    return name


def _text() -> str:
    try:
        return str(get_parameter(_name(), decrypt=True, max_age=SECONDS))
    except GetParameterError as error:
        raise UsageError(f"SERVING_KEYS_PARAMETER {_name()} cannot be read from SSM: {error}") from None
