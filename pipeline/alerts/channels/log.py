"""`log`: a line of JSON in the program's log, with the alert under the key `alert`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import ClassVar, Self

from stockstream.pipeline.alerts.channels.base import Channel, Failure, Message, document_of

logger = logging.getLogger(__name__)

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}
"""Level of the line per severity."""


class Log(Channel):
    """The log. A line per alert, also in a minute of many alerts: programs read it, and filter it by its fields."""

    name = "log"
    max_messages: ClassVar[int] = 1000
    has_digests: ClassVar[bool] = False
    needs_settings: ClassVar[bool] = False

    @classmethod
    def open(cls) -> Self:
        """Return the channel, which needs no settings."""
        return cls()

    def send(self, messages: Sequence[Message]) -> dict[int, Failure]:
        """Write a line per alert."""
        for message in messages:
            for alert in message.alerts:
                text = Message((alert,)).text
                logger.log(LEVELS[alert.severity], "%s", text, extra={"alert": document_of(alert)})
        return {}

    def answer(self) -> str:
        """Return where the lines are."""
        return "written to the log"
