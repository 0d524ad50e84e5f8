"""Fixtures that the whole suite shares: real parts on loopback, no network."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockstream.pipeline.configuration import settings
from tests.s3_server import S3Server
from tests.yahoo_replay import YahooReplay

SHARED = Path(__file__).parents[2] / "shared" / "data"
"""Recorded data that lies beside a checkout in CI; tests that use it are skipped elsewhere."""


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Keep the developer's own settings and credentials out, and the tests fast."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "STOCKSTREAM_", "S3_", "POLYGON_")) or name in ("LOG_LEVEL", "ENVIRONMENT"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    monkeypatch.setenv("STOCKSTREAM_YAHOO_PAUSE", "0")
    monkeypatch.setenv("STOCKSTREAM_RETRY_WAIT", "0.01")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def shared() -> Path:
    """Give the folder of recorded data; skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the recorded data (../shared/data) is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Give the S3 server, with the environment pointing at it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    return s3_server


@pytest.fixture
def yahoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[YahooReplay]:
    """Give a replay of Yahoo, with the settings pointing at it."""
    with YahooReplay() as replay:
        monkeypatch.setenv("STOCKSTREAM_YAHOO_URL", replay.url)
        settings.cache_clear()
        yield replay


@pytest.fixture(params=["folder", "s3"])
def lake_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URI of an empty lake, once in a folder and once on S3."""
    if request.param == "folder":
        return str(tmp_path / "lake")
    return f"s3://{request.getfixturevalue('s3').new_bucket()}/lake"


# Faults tried are counted by tests, carried by their reports, from xdist's workers too, and printed at the end.


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Count faults by what they are: `tried["killed at a write: resample (s3)"] += 1`."""
    counts: Counter[str] = Counter()
    yield counts
    request.node.user_properties += [(f"fault: {what}", count) for what, count in counts.items()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: Counter[str] = Counter()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if getattr(report, "when", None) == "teardown":
            for name, count in report.user_properties:
                if name.startswith("fault: "):
                    counts[name.removeprefix("fault: ")] += count
    if counts:
        terminalreporter.section(f"{counts.total():,} faults tried")
        for what, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:>6,}  {what}")
