"""Settings, the source of bars, and the channels of alerts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from stockstream.analytics.doctor.findings import Finding
from stockstream.pipeline.alerts.channels import NAMES, NotConfigured, open_channel
from stockstream.pipeline.configuration import PREFIX, Settings, settings, unknown_variables
from stockstream.pipeline.env_file import ENV_FILE, read_env_file
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import market as market_named
from stockstream.pipeline.sources import Source, open_source
from stockstream.sql.errors import StockStreamError
from stockstream.sql.extras import MissingPackage


def setting_findings() -> Iterator[Finding]:
    """Yield whether all settings can be read, and each that has no effect. Values are not shown.

    Raises:
        UsageError: one is wrong; the message names it.
    """
    names = {name for name in Settings.variables() if os.environ.get(name)}  # before `settings`, which sets some
    names |= {name for name in os.environ if name.startswith(PREFIX)}
    unknown = unknown_variables()
    if unknown:
        yield Finding.failed("settings", unknown)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        settings.cache_clear()
        settings()
    for warning in caught:
        if (text := str(warning.message)) != unknown:
            yield Finding.warning("settings", text)
    in_file = f", {len(read_env_file())} in {Path(ENV_FILE).absolute()}" if Path(ENV_FILE).is_file() else ""
    if not unknown:
        yield Finding.ok("settings", f"{len(names)} in the environment{in_file}: {', '.join(sorted(names)) or 'none'}")


def source_of(lake: Lake, name: str | None) -> Source | None:
    """Return the source by its name, or that of the settings; None if it cannot be opened."""
    try:
        return _opened(lake, name)
    except StockStreamError:
        return None


def source_findings(lake: Lake, name: str | None) -> Iterator[Finding]:
    """Yield whether the source can be opened: it has its key, and the market of the lake.

    Raises:
        UsageError: it cannot; the message says what it lacks.
    """
    _opened(lake, name)
    yield Finding.ok("source", f"{(name or settings().source).partition(':')[0]} has all that it needs")


def _opened(lake: Lake, name: str | None) -> Source:
    try:
        market = lake.market()
    except StockStreamError:  # the lake's part says so
        market = None
    return open_source(name or settings().source, market or market_named(settings().market), settings())


def channel_findings() -> Iterator[Finding]:
    """Yield which channels deliver alerts, and each that is configured wrongly."""
    ready = []
    for name in NAMES:
        try:
            is_ready = open_channel(name).needs_settings
        except NotConfigured:
            continue
        except MissingPackage as error:
            yield Finding.warning("alerts", f"{name}: {error}")
        except StockStreamError as error:
            yield Finding.failed("alerts", str(error))
        else:
            ready += [name] if is_ready else []
    text = (
        f"configured: {', '.join(ready)}" if ready else f"no channel but the log is configured (of {', '.join(NAMES)})"
    )
    yield Finding.ok("alerts", text)
