"""`webhook`: a POST of JSON to an address, signed with a shared secret (HMAC-SHA256)."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit

import requests

from stockstream.pipeline.alerts.channels.base import Channel, Failure, Message, NotConfigured
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.retries import retry_after
from stockstream.pipeline.setting_fields import EnvironmentSettings, Secret, setting
from stockstream.sql.text import one_line, printable

TIMEOUT = (10.0, 30.0)
"""Maximum seconds to connect, and maximum seconds without a byte of the answer."""
KEY_SECONDS = 3600
"""How long a secret from SSM is used before it is read again."""
MAX_ANSWER = 200
"""Bytes of the answer to a refused message that are shown."""
TIMESTAMP, SIGNATURE, KEY = "Stockstream-Timestamp", "Stockstream-Signature", "Idempotency-Key"
"""Headers; pipeline/alerts/README.md shows how a receiver uses them."""


@dataclass(frozen=True, kw_only=True)
class WebhookSettings(EnvironmentSettings):
    """The settings of the channel. The address is secret, too: that of many services is all that one needs to post."""

    url: Secret | None = setting(None, "ALERT_WEBHOOK_URL", "Where alerts are posted")
    secret: Secret | None = setting(None, "ALERT_WEBHOOK_SECRET", "What the posts are signed with")
    secret_parameter: str | None = setting(
        None, "ALERT_WEBHOOK_SECRET_PARAMETER", "On Lambda: the SSM parameter that holds the secret"
    )


class Webhook(Channel):
    """An address that takes posts."""

    name = "webhook"

    def __init__(self, url: str, secret: str, timeout: tuple[float, float] | None = None) -> None:
        """Prepare the channel; `timeout` is `TIMEOUT` by default.

        Raises:
            UsageError: the URL is none of http:// or https://.
        """
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address:
            raise UsageError("ALERT_WEBHOOK_URL is no address: write https://host/path")
        self._url, self._secret, self._timeout = url, secret, timeout or TIMEOUT
        self._host = parts.hostname
        self._session = requests.Session()
        self._session.auth = lambda request: request  # otherwise requests would send what ~/.netrc has for the host
        self._answer = ""

    @classmethod
    def open(cls) -> Self:
        """Return the channel as the settings configure it."""
        settings = WebhookSettings.read()
        if settings.url is None:
            raise NotConfigured("webhook is not configured: set ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET")
        if settings.secret is None and settings.secret_parameter is None:
            raise UsageError("ALERT_WEBHOOK_URL is set without ALERT_WEBHOOK_SECRET, which signs the posts: set both")
        secret = settings.secret.text if settings.secret else _from_ssm(str(settings.secret_parameter))
        return cls(settings.url.text.strip(), secret)

    def send(self, messages: Sequence[Message]) -> dict[int, Failure]:
        """Post each message."""
        failures = {number: self._post(message) for number, message in enumerate(messages)}
        return {number: failure for number, failure in failures.items() if failure}

    def answer(self) -> str:
        """Return the status of the last answer that accepted a message."""
        return self._answer

    def _post(self, message: Message) -> Failure | None:
        """Post a message. Only the status counts: an answer whose body ends too early has accepted it as well."""
        body = json.dumps({**message.document(), "text": message.text}, allow_nan=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "stockstream",
            KEY: quote(message.key, safe="/:"),
            **signed(body, self._secret, int(time.time())),
        }
        try:
            response = self._session.post(
                self._url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False, stream=True
            )
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            return Failure(f"{self._host} does not answer ({type(error).__name__})", is_final=False)
        except (requests.RequestException, ValueError) as error:
            return Failure(f"the request to {self._host} cannot be sent ({type(error).__name__})", is_final=True)
        with response:
            status = response.status_code
            if 200 <= status < 300:
                self._answer = f"HTTP {status}"
                return None
            reason = f"{self._host} answers HTTP {status}{self._explanation(response)}"
            if 300 <= status < 400:
                return Failure(f"{reason}; redirects are not followed: set ALERT_WEBHOOK_URL to the target", True)
            is_transient = status == 429 or status >= 500
            return Failure(reason, not is_transient, retry_after(response.headers) if is_transient else None)

    def _explanation(self, response: requests.Response) -> str:
        """Return the beginning of an answer in one line, without the secrets, which the receiver may repeat."""
        try:
            text = response.raw.read(MAX_ANSWER, decode_content=True).decode(errors="replace")
        except Exception:
            return ""  # the status says enough
        parts = urlsplit(self._url)
        for secret in (self._url, self._secret, parts.query, parts.path):
            text = text.replace(secret, "***") if len(secret) > 1 else text
        return f": {printable(one_line(text))}" if text.strip() else ""


def signed(body: bytes, secret: str, timestamp: int) -> Mapping[str, str]:
    """Return the headers that prove who has sent a body, and when: the timestamp, in seconds since 1970, and `v1=…`.

    The signature is the HMAC-SHA256 of `TIMESTAMP.BODY`, in hexadecimal digits.
    """
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {TIMESTAMP: str(timestamp), SIGNATURE: f"v1={digest}"}


def _from_ssm(name: str) -> str:
    """Return the secret in an SSM parameter.

    Raises:
        UsageError: the parameter cannot be read.
    """
    from aws_lambda_powertools.utilities.parameters import get_parameter
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    try:
        return str(get_parameter(name, decrypt=True, max_age=KEY_SECONDS))
    except GetParameterError as error:
        raise UsageError(f"ALERT_WEBHOOK_SECRET_PARAMETER {name} cannot be read from SSM: {error}") from None
