"""Errors of the pipeline, beside those of `sql.errors`."""

from stockstream.sql.errors import LakeError, StockStreamError, UsageError

__all__ = [
    "CheckFailed",
    "Conflict",
    "LakeError",
    "ListingsRefused",
    "OutOfTime",
    "RateLimited",
    "SourceError",
    "StockStreamError",
    "UsageError",
]


class Conflict(StockStreamError):
    """A conditional put lost: somebody else wrote the object since it was read. Read it again and retry."""


class CheckFailed(StockStreamError):
    """What was about to be published breaks a data check; the old generation stays."""


class ListingsRefused(StockStreamError):
    """An answer of the exchange's directory that is not a believable list of companies."""


class SourceError(StockStreamError):
    """A source cannot answer for one symbol; the batch goes on without it."""


class RateLimited(SourceError):
    """A source keeps refusing (HTTP 429) after the bounded retries; what is left of the batch is not asked for."""


class OutOfTime(SourceError):
    """A batch has no time left for more symbols; what is left of it is for the next try."""
