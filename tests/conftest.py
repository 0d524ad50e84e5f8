"""Fixtures that the whole suite shares: real parts on loopback, no network."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import compress
from pathlib import Path
from zlib import crc32

import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis_settings

from stockstream.pipeline.configuration import settings
from tests.fixtures.recordings import write_recordings
from tests.injected import MIN_FAULTS, Injected, damage_tables, faults_of, summary
from tests.s3_server import S3Server
from tests.trusting import trust_extensions
from tests.yahoo_replay import YahooReplay

collect_ignore = ["recipes"]  # files of tests/test_recipes.py, at home in a copy of the repository

SHARED = Path(__file__).parents[2] / "shared" / "data"
"""Recorded data beside a checkout; tests that need it are skipped where it is absent."""
CACHE = Path(__file__).parents[1] / ".pytest_cache" / "user-cache"
"""In place of the developer's cache folder; kept from run to run, as that is."""


for name, examples in (("quick", 20), ("ci", 100), ("full", 1000)):  # pytest --hypothesis-profile=full
    hypothesis_settings.register_profile(name, max_examples=examples)
hypothesis_settings.load_profile("ci")

SLOW = (
    "analytics/backtest/test_lookahead.py",
    "analytics/backtest/test_properties.py",
    "analytics/test_aggregator.py",
    "analytics/test_as_of.py",
    "analytics/test_requests.py",
    "analytics/test_s3.py",
    "benchmarks/",
    "faults/",
    "pipeline/test_adjustment.py",
    "pipeline/test_consolidate.py",
    "pipeline/test_files.py",
    "pipeline/test_invariants.py",
    "pipeline/test_metadata_history.py",
    "pipeline/test_old_lakes.py",
    "pipeline/test_refresh_indicators.py",
    "pipeline/test_resample.py",
    "pipeline/test_rollback.py",
    "pipeline/test_tiers.py",
    "pipeline/test_vacuum.py",
    "pipeline/test_yahoo_to_lake.py",
    "sql/indicators/test_golden.py",
    "sql/indicators/test_hostile.py",
    "sql/indicators/test_properties.py",
    "sql/indicators/test_talib.py",
    "sql/test_checks.py",
    "terraform/",
)
"""What takes seconds per test, below tests/: `make quick` leaves it out, as what is marked `slow` by itself."""


LARGE_ON_S3 = (
    "analytics/test_aggregator.py",
    "analytics/test_as_of.py",
    "pipeline/test_consolidate.py",
    "pipeline/test_metadata.py",
    "pipeline/test_old_lakes.py",
    "pipeline/test_refresh_indicators.py",
    "pipeline/test_resample.py",
    "pipeline/test_yahoo_to_lake.py",
)
"""Files, below tests/, whose rules do not depend on the place of a lake: on S3, `make test-large` runs them.

`make test` compares a lake on S3 with one in a folder byte for byte (analytics/test_s3.py), and runs the store, the
writers and `vacuum` on both.
"""

LARGE_IN_BULK = ("sql/indicators/test_golden.py", "sql/indicators/test_hostile.py", "sql/indicators/test_talib.py")
"""Files, below tests/, of which `make test-large` runs the way "partitioned": the text for many symbols without numpy.

`make test` holds the macros and the arrays to the same references, and in the property tests all ways to each other.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak-seed", type=int, default=1, help="seed of the market and the events of `make soak`")
    parser.addoption("--share", type=_share, help="run one of N parts of the tests: K/N, such as 1/2")


def _share(text: str) -> tuple[int, int]:
    """Return the number of the part, from 0, and the number of parts."""
    part, parts = map(int, text.split("/"))
    if not 1 <= part <= parts:
        raise ValueError(text)
    return part - 1, parts


ALONE = ("faults", "soak", "benchmarks", "recipes", "e2e", "wheels", "spark")
"""Markers of families that few files have tests of; each of these files writes `mark.NAME` itself."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a file without a test of the family that is selected: the imports of all take longer than some."""
    family, _, others = str(config.option.markexpr).partition(" and ")
    if family not in ALONE or not re.fullmatch(r"(not \w+( and )?)*", others):
        return None
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if is_test and f"mark.{family}" not in collection_path.read_text() else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        name = str(item.path.relative_to(Path(__file__).parent))
        if name.startswith(SLOW):
            item.add_marker("slow")
        values = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        is_on_s3 = name in LARGE_ON_S3 and values.get("lake_uri") == "s3"
        is_in_bulk = name in LARGE_IN_BULK and values.get("way") == "partitioned"
        if is_on_s3 or is_in_bulk:
            item.add_marker("large")
    if config.option.share:
        part, parts = config.option.share
        in_part = [crc32(item.nodeid.encode()) % parts == part for item in items]
        config.hook.pytest_deselected(items=[item for item, ours in zip(items, in_part, strict=True) if not ours])
        items[:] = compress(items, in_part)


def _set_up(patched: pytest.MonkeyPatch, folder: Path) -> None:
    """Remove the developer's settings and credentials; do not wait, and do not compute more than a test needs."""
    for name in list(os.environ):
        if name.startswith(("ALERT_", "AWS_", "STOCKSTREAM_", "S3_", "POLYGON_")) or name in (
            "LOG_LEVEL",
            "ENVIRONMENT",
        ):
            patched.delenv(name)
    patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patched.setenv("AWS_CONFIG_FILE", str(folder / "no-aws-config"))
    patched.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-aws-credentials"))
    CACHE.mkdir(parents=True, exist_ok=True)
    patched.setenv("XDG_CACHE_HOME", str(CACHE))
    patched.setenv("STOCKSTREAM_YAHOO_PAUSE", "0")
    patched.setenv("STOCKSTREAM_RETRY_WAIT", "0.01")
    patched.setenv("STOCKSTREAM_RESAMPLE", '["3d", "5d", "weekly"]')
    settings.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def _settings_of_shared_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set up the process before the fixtures of sessions and modules, which build lakes too."""
    with pytest.MonkeyPatch.context() as patched:
        _set_up(patched, tmp_path_factory.mktemp("aws"))
        # A sync takes milliseconds, tens of thousands of times. It is for a power failure, which no test has.
        patched.setattr(os, "fsync", lambda handle: None)
        trust_extensions(patched)
        yield


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Set up the process again, as a fixture of a module may have set other variables."""
    _set_up(monkeypatch, tmp_path)
    yield
    settings.cache_clear()


@pytest.fixture
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the folder of recorded data; skip the test where it is absent.

    With `@made_up_too` the test runs on recordings of our own making as well, which every checkout has; `make test`
    runs these, `make test-large` the recorded ones.
    """
    if getattr(request, "param", "recorded") == "made up":
        return write_recordings(tmp_path / "recordings")
    if not SHARED.is_dir():
        pytest.skip("the recorded data (../shared/data) is not beside this checkout")
    return SHARED


made_up_too = pytest.mark.parametrize(
    "shared", ["made up", pytest.param("recorded", marks=pytest.mark.large)], indirect=True
)


@pytest.fixture(scope="session")
def demo_lake(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> str:
    """Return the lake that `stockstream demo` makes; all workers of pytest-xdist share it, so tests only read it."""
    pytest.importorskip("bokeh_sampledata", reason="the demo extra is not installed")
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "demo-lake"
    with FileLock(f"{folder}.lock"):
        if not Path(f"{folder}.complete").exists():
            from tests.analytics.test_cli import run_cli  # imports all commands, which few workers need

            assert run_cli("demo", "--lake", str(folder)).code == 0
            Path(f"{folder}.complete").touch()
    return str(folder)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Return the S3 server, with the environment pointing at it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    return s3_server


@pytest.fixture
def yahoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[YahooReplay]:
    """Return a server with Yahoo's APIs, with the settings pointing at it."""
    with YahooReplay() as replay:
        monkeypatch.setenv("STOCKSTREAM_YAHOO_URL", replay.url)
        settings.cache_clear()
        yield replay


@pytest.fixture(params=["folder", "s3"])
def lake_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URI of an empty lake, once in a folder and once on S3."""
    if request.param == "folder":
        return str(tmp_path / "lake")
    return f"s3://{request.getfixturevalue('s3').new_bucket()}/lake"


@pytest.fixture
def injected(request: pytest.FixtureRequest) -> Iterator[Injected]:
    """Return the counter of the faults that the test injects."""
    faults = Injected()
    yield faults
    request.node.user_properties += faults.properties


def _reports(config: pytest.Config) -> list[pytest.TestReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return (
        []
        if reporter is None
        else [
            report for reports in reporter.stats.values() for report in reports if isinstance(report, pytest.TestReport)
        ]
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if `make test-faults`, without a choice of files, names or a share, injected fewer faults than it is to."""
    config = session.config
    is_family = config.option.markexpr.startswith("faults ") and config.args == config.getini("testpaths")
    is_chosen = config.option.keyword or config.option.share
    is_whole = is_family and not is_chosen and not hasattr(config, "workerinput")
    has_passed = session.exitstatus == pytest.ExitCode.OK
    if is_whole and has_passed and len(faults_of(_reports(config))) < MIN_FAULTS:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for place, lines in damage_tables(_reports(config)).items():
        terminalreporter.section(f"damaged files: {place}")
        for line in lines:
            terminalreporter.write_line(line)
    faults = faults_of(_reports(config))
    if faults:
        terminalreporter.section(f"{len(faults):,} faults injected (make test-faults: at least {MIN_FAULTS:,})")
        for line in summary(faults):
            terminalreporter.write_line(line)
