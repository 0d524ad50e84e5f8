"""Ways to deliver alerts: one module per channel, discovered by its file name and imported when it is needed."""

from __future__ import annotations

import pkgutil

from stockstream.pipeline.alerts.channels.base import Channel, Failure, Message, NotConfigured
from stockstream.pipeline.discovery import class_in
from stockstream.pipeline.errors import UsageError
from stockstream.sql.errors import did_you_mean

__all__ = ["NAMES", "Channel", "Failure", "Message", "NotConfigured", "is_one_configured", "open_channel"]

NAMES = tuple(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
"""What the header of a rule can name under `channels`."""


def open_channel(name: str) -> Channel:
    """Open a channel by its name.

    Raises:
        NotConfigured: a setting of the channel is missing.
        UsageError: there is no such channel, or a setting of it is wrong.
    """
    return _class_of(name).open()


def _class_of(name: str) -> type[Channel]:
    if name not in NAMES:
        raise UsageError(f"no channel {name}: there are {', '.join(NAMES)}{did_you_mean(name, NAMES)}")
    return class_in(f"{__name__}.{name}", Channel)  # type: ignore[type-abstract]


def is_one_configured() -> bool:
    """Return whether a person has configured a channel, also one that cannot be opened, which the notifier names."""
    for channel in map(_class_of, NAMES):
        if channel.needs_settings:
            try:
                channel.open()
            except NotConfigured:
                continue
            except Exception:
                return True
            return True
    return False
