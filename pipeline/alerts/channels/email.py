"""`email`: a message over SMTP, always encrypted but to this machine."""

from __future__ import annotations

import hashlib
import re
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import ClassVar, Self
from urllib.parse import SplitResult, unquote, urlsplit

from stockstream.pipeline.alerts.channels.base import Channel, Failure, Message, NotConfigured
from stockstream.pipeline.env_file import is_loopback
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.setting_fields import EnvironmentSettings, Secret, setting

TIMEOUT = 30.0
"""Maximum seconds to connect, and to each answer."""
PORTS = {"smtp": 587, "smtps": 465}
MAX_SUBJECT = 200
_ADDRESS = re.compile(r"[!-~]+@[!-~]+")


@dataclass(frozen=True, kw_only=True)
class EmailSettings(EnvironmentSettings):
    """The settings of the channel. The URL has the password."""

    url: Secret | None = setting(None, "ALERT_SMTP_URL", "The mail server: smtps://USER:PASSWORD@HOST, or smtp://")
    to: str | None = setting(None, "ALERT_EMAIL_TO", "Addresses to which alerts are mailed, with commas")
    sender: str | None = setting(None, "ALERT_EMAIL_FROM", "Address of the sender; otherwise the user of the server")


class Email(Channel):
    """A mail server that takes messages for some addresses."""

    name = "email"
    max_messages: ClassVar[int] = 20

    def __init__(self, url: str, to: Sequence[str], sender: str | None = None, timeout: float = TIMEOUT) -> None:
        """Prepare the channel.

        Raises:
            UsageError: the URL is none of smtp:// or smtps://, or a text is no address.
        """
        self._server = _server(url)
        self._user, self._password = (unquote(part or "") for part in (self._server.username, self._server.password))
        self._sender = sender or (self._user if _ADDRESS.fullmatch(self._user) else to[0] if to else "")
        for variable, address in (("ALERT_EMAIL_FROM", self._sender), *(("ALERT_EMAIL_TO", one) for one in to)):
            if not _ADDRESS.fullmatch(address):
                raise UsageError(f"{variable} is no address: write name@host, several with commas")
        self._to, self._timeout = tuple(to), timeout
        self._answer = ""

    @classmethod
    def open(cls) -> Self:
        """Return the channel as the settings configure it."""
        settings = EmailSettings.read()
        if settings.url is None and settings.to is None:
            raise NotConfigured("email is not configured: set ALERT_SMTP_URL and ALERT_EMAIL_TO")
        if settings.url is None or settings.to is None:
            present, absent = (
                ("ALERT_SMTP_URL", "ALERT_EMAIL_TO") if settings.url else ("ALERT_EMAIL_TO", "ALERT_SMTP_URL")
            )
            raise UsageError(f"{present} is set without {absent}: set both")
        to = [address.strip() for address in settings.to.split(",") if address.strip()]
        return cls(settings.url.text.strip(), to, settings.sender)

    def send(self, messages: Sequence[Message]) -> dict[int, Failure]:
        """Send each message, all over one connection."""
        failures: dict[int, Failure] = {}
        try:
            with self._connection() as server:
                for number, message in enumerate(messages):
                    if failure := self._deliver(server, message):
                        failures[number] = failure
                    self._done = number + 1
        except _NoTls:
            failure = Failure(f"{self._server.hostname} offers no encryption (STARTTLS): write smtps://", is_final=True)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            failure = self._failure(error)
        else:
            return failures
        return failures | dict.fromkeys(range(self._done, len(messages)), failure)

    def answer(self) -> str:
        """Return to how many addresses the last message went."""
        return self._answer

    def _connection(self) -> smtplib.SMTP:
        """Return a connection that is encrypted and logged in.

        Raises:
            _NoTls: the server offers no encryption, and is not on this machine.
        """
        self._done = 0
        host, port = str(self._server.hostname), self._server.port or PORTS[self._server.scheme]
        context = ssl.create_default_context()
        if self._server.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=self._timeout, context=context)
        else:
            server = smtplib.SMTP(host, port, timeout=self._timeout)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
            elif not is_loopback(self._server.geturl()):
                server.close()
                raise _NoTls
        if self._user:
            server.login(self._user, self._password)
        return server

    def _deliver(self, server: smtplib.SMTP, message: Message) -> Failure | None:
        try:
            refused = server.sendmail(self._sender, self._to, self._mail(message).as_bytes())
        except smtplib.SMTPServerDisconnected:
            raise
        except smtplib.SMTPException as error:
            server.rset()
            return self._failure(error)
        if refused:  # the others have it, so that trying again would mail it to them twice
            return Failure(
                f"{self._server.hostname} refuses {len(refused)} of {len(self._to)} addresses", is_final=True
            )
        self._answer = f"to {len(self._to)} addresses"
        return None

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = message.subject[:MAX_SUBJECT]
        mail["From"], mail["To"] = self._sender, ", ".join(self._to)
        mail["Date"] = formatdate(localtime=False)
        # The same alert has the same identifier, by which mail programs know that it came twice.
        mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:32]}@stockstream>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text + "\n")
        return mail

    def _failure(self, error: Exception) -> Failure:
        """Return why a server has not taken a message, without the text of its answer, which may quote the user."""
        host = self._server.hostname
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return Failure(f"{host} refuses the login ({error.smtp_code}): see ALERT_SMTP_URL", is_final=True)
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            codes = {code for code, _ in error.recipients.values()}
            return Failure(f"{host} refuses all addresses ({min(codes)})", is_final=min(codes) >= 500)
        if isinstance(error, smtplib.SMTPResponseException):
            return Failure(f"{host} answers {error.smtp_code}", is_final=error.smtp_code >= 500)
        if isinstance(error, ssl.SSLError):
            return Failure(f"no encrypted connection to {host} ({type(error).__name__})", is_final=True)
        is_final = isinstance(error, smtplib.SMTPNotSupportedError | ValueError)
        return Failure(f"{host} does not answer ({type(error).__name__})", is_final)


class _NoTls(Exception):
    pass


def _server(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_server = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_server = False
    if not is_server:
        raise UsageError(
            "ALERT_SMTP_URL is no mail server: write smtps://USER:PASSWORD@HOST (% signs as %25, @ as %40)"
        )
    return parts
