"""What `stockstream doctor` looks at: settings, credentials, clock, disks, versions, and a lake."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from stockstream.analytics.doctor.findings import Finding
from stockstream.analytics.doctor.lakes import lake_findings
from stockstream.analytics.doctor.machine import clock_findings, disk_findings, version_findings
from stockstream.analytics.doctor.setup import channel_findings, setting_findings, source_findings, source_of
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.sql.errors import StockStreamError
from stockstream.sql.extras import MissingPackage, naming_the_extra
from stockstream.sql.text import one_line

__all__ = ["Finding", "examine"]


def examine(lake: Callable[[], Lake], source: str | None) -> Iterator[Finding]:
    """Yield what is found, in the order in which things depend on each other.

    `lake` opens the lake, and may raise a StockStreamError; `source` is the source of bars, otherwise that of the
    settings. An error of one part is a finding, and the other parts are looked at.
    """
    yield from _guarded("versions", version_findings)
    yield from _guarded("settings", setting_findings)
    try:
        settings()
        opened = lake()
    except StockStreamError as error:
        yield Finding.failed(
            "lake", f"{error}; neither the lake nor the clock, the disks and the source were looked at"
        )
        return
    yield from _guarded("source", lambda: source_findings(opened, source))
    yield from _guarded("alerts", channel_findings)
    yield from _guarded("clock", lambda: clock_findings(opened, source_of(opened, source)))
    yield from _guarded("disk", lambda: disk_findings(opened))
    yield from _guarded("lake", lambda: lake_findings(opened))


def _guarded(name: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield the findings of a part; an error of it is one, too, whose message says what to do.

    An installation without an extra is not damaged: it lacks what the warning names.
    """
    try:
        with naming_the_extra():
            yield from look()
    except MissingPackage as error:
        yield Finding.warning(name, str(error))
    except StockStreamError as error:
        yield Finding.failed(name, str(error))
    except Exception as error:
        logging.getLogger(__name__).debug("%s", name, exc_info=True)
        yield Finding.failed(name, one_line(f"{type(error).__name__}: {error}"))
