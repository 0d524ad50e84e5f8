"""The pipeline's errors, in addition to those of `sql.errors`."""

from stockstream.sql.errors import ArgumentError, ExitCode, LakeError, NoLake, StockStreamError, UsageError

__all__ = [
    "ArgumentError",
    "CheckFailed",
    "Conflict",
    "ExitCode",
    "LakeError",
    "ListingsRefused",
    "NewerFormat",
    "NoLake",
    "OutOfTime",
    "RateLimited",
    "SourceError",
    "StockStreamError",
    "UsageError",
]


class Conflict(StockStreamError):
    """Another writer has changed an object since it was read, so a conditional put failed: read it again and retry."""


class NewerFormat(LakeError):
    """A newer version of this program has written the lake, in a format that this version does not know."""


class CheckFailed(StockStreamError):
    """The generation that was about to be published fails a data check; the old generation stays."""


class ListingsRefused(StockStreamError):
    """The response of a listings source is not a plausible list of companies."""


class SourceError(StockStreamError):
    """A source has no data for one symbol; the batch continues without it."""


class RateLimited(SourceError):
    """A source still answers HTTP 429 after all retries; the remaining symbols of the batch are not requested."""


class OutOfTime(SourceError):
    """A batch has no time left for more symbols; the next attempt fetches the remaining ones."""
