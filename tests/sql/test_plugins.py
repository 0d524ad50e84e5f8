"""What installed packages add, found by their entry points: used, broken, and with the names of others."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stockstream.analytics.backtest.runs.load import find_strategy
from stockstream.pipeline.alerts import rules
from stockstream.pipeline.checks import installed as checks
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.listings import open_listings
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.sources import source_class
from stockstream.sql import plugins
from stockstream.sql.catalogue import indicators
from stockstream.sql.errors import UsageError
from stockstream.sql.session import catalogue_file
from stockstream.sql.session.connection import connect

ACME = Path(__file__).parents[1] / "wheels" / "acme" / "acme_bars"
CACHES = (plugins._installed, indicators.added, indicators.catalogue, rules._added, catalogue_file._checksum)
ENTRY_POINTS = """
[stockstream.sources]
acme = acme_bars.source:AcmeSource
[stockstream.listings]
us = acme_bars.listings:AcmeListings
[stockstream.strategies]
EveryMonday = acme_bars.strategy:EveryMonday
[stockstream.indicators]
any = acme_bars.indicators
[stockstream.checks]
any = acme_bars.checks
[stockstream.rules]
any = acme_bars.rules
"""
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a copy of the example under a name, with these entry points."""

    def install(entry_points: str, name: str = "acme-bars", folder: str = "site") -> Path:
        site = tmp_path / folder
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        if not (site / "acme_bars").exists():
            shutil.copytree(ACME, site / "acme_bars")
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(site)
        forget()
        return site / "acme_bars"

    yield install
    monkeypatch.undo()
    forget()


def forget() -> None:
    """Let the process look again at what is installed."""
    for cached in CACHES:
        cached.cache_clear()
    for module in [name for name in sys.modules if name.partition(".")[0] == "acme_bars"]:
        del sys.modules[module]


def test_all_that_a_package_adds_is_found(install: Install) -> None:
    install(ENTRY_POINTS)
    us = MARKETS["US"]
    assert source_class("acme").__module__ == "acme_bars.source"
    assert [company.symbol for company in open_listings(us, settings()).companies()] == ["ACME", "ROAD"]
    assert find_strategy("EveryMonday").__module__ == "acme_bars.strategy"
    assert "acme__no_volume" in {check.name for check in checks()}
    (rule,) = [rule for rule in rules.find_rules() if rule.name == "acme_up"]
    assert rule.error is None
    assert indicators.catalogue().find("acme_middle")[1] == ("acme_middle",)
    assert "acme_middle" not in {one.name for one in indicators.shipped().newest}


def test_no_code_of_a_package_runs_before_it_is_used(install: Install) -> None:
    package = install(ENTRY_POINTS)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    assert source_class("polygon").name == "polygon"
    assert find_strategy("BuyAndHold")
    assert "acme__no_volume" in {check.name for check in checks()}
    assert "acme_up" in {rule.name for rule in rules.find_rules()}
    assert indicators.catalogue().find("acme_middle")


def test_the_name_of_the_catalogue_file_depends_on_what_is_installed(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKSTREAM_CACHE", str(tmp_path / "cache"))
    forget()
    names = [catalogue_file.path_of_catalogue()]
    package = install("[stockstream.indicators]\nany = acme_bars.indicators\n")
    names.append(catalogue_file.path_of_catalogue())
    con = catalogue_file.connection_with_objects()
    assert con is not None
    con.execute(
        "CREATE TABLE t AS SELECT 'A' AS symbol, DATE '2024-01-01' + n::INT AS date, n AS close FROM range(3) r(n)"
    )
    query = "SELECT list(acme_middle ORDER BY date) FROM acme_middle('t', 2)"
    assert con.sql(query).fetchall() == [([None, 0.5, 1.5],)]
    con.close()
    file = package / "indicators" / "acme_middle_v1.sql"
    file.write_text(file.read_text().replace("/ 2 END", "/ 4 END"))
    forget()
    names.append(catalogue_file.path_of_catalogue())
    assert len(set(names)) == 3


def test_an_indicator_that_is_none_is_named_and_the_others_are_there(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = install("[stockstream.indicators]\nany = acme_bars.indicators\n")
    text = (package / "indicators" / "acme_middle_v1.sql").read_text()
    (package / "indicators" / "acme_cut_v1.sql").write_text("no header")
    refused = text.replace("acme_middle", "acme_refused").replace(
        "max(x) OVER w + ", "no_such_window(x) OVER nothing + "
    )
    (package / "indicators" / "acme_refused_v1.sql").write_text(refused)
    with pytest.warns(plugins.PluginWarning, match=r"not used: acme-bars 1.0: .*acme_cut_v1.sql.* does not open with"):
        assert indicators.catalogue().find("acme_middle")
    monkeypatch.setenv("STOCKSTREAM_CACHE", str(tmp_path / "cache"))
    for _ in range(2):  # by each connection, not only by the one that could make the catalogue file
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", plugins.PluginWarning)
            con = connect(str(tmp_path))
        assert [("acme_cut_v1.sql" in text, "acme_refused_v1.sql" in text) for text in map(str, warned)] == [
            (True, False),
            (False, True),
        ]
        names = con.sql("SELECT function_name FROM duckdb_functions() WHERE function_name LIKE 'acme%'").fetchall()
        assert ("acme_middle",) in names
        con.close()


@pytest.mark.parametrize(
    ("entry_point", "use", "message"),
    [
        ("[stockstream.sources]\nacme = acme_bars.nothing:X", lambda: source_class("acme"), "No module named"),
        ("[stockstream.sources]\nacme = acme_bars.source:No", lambda: source_class("acme"), "AttributeError: module"),
        (
            "[stockstream.sources]\nacme = acme_bars.source:Answer",
            lambda: source_class("acme"),
            "is no subclass",
        ),
        ("[stockstream.sources]\nother = acme_bars.source:AcmeSource", lambda: source_class("other"), "the name acme"),
        ("[stockstream.strategies]\nMine = acme_bars.strategy:No", lambda: find_strategy("Mine"), "AttributeError"),
    ],
)
def test_a_broken_class_is_one_line_when_it_is_used(
    install: Install, entry_point: str, use: Callable[[], object], message: str
) -> None:
    install(entry_point)
    assert source_class("polygon")
    assert find_strategy("BuyAndHold")
    with pytest.raises(UsageError, match=r"acme-bars 1\.0 \(stockstream") as caught:
        use()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry_point", "use", "message"),
    [
        ("[stockstream.checks]\nany = acme_bars.nothing", checks, "any = acme_bars.nothing): there is no such folder"),
        ("[stockstream.checks]\nany = acme_bars.indicators.empty", checks, "no .sql file and no .yml file"),
        ("[stockstream.rules]\nany = no_such_package.rules", rules.find_rules, "there is no such folder"),
        ("[stockstream.indicators]\nany = no_such_package", indicators.catalogue, "there is no such folder"),
        ("[stockstream.source]\nacme = acme_bars.source:AcmeSource", checks, "the groups are stockstream.sources, "),
        ("[stockstream.rules]\nno equals sign", checks, "dist-info: "),
    ],
)
def test_broken_files_are_named_and_do_not_take_the_command_down(
    install: Install, entry_point: str, use: Callable[[], object], message: str
) -> None:
    (install(entry_point) / "indicators" / "empty").mkdir()
    with pytest.warns(plugins.PluginWarning) as warned:
        assert use()
    (line,) = {str(one.message) for one in warned}
    assert line.startswith("not used: ")
    assert message in line
    assert "acme" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("entry_point", "file", "use", "name"),
    [
        (
            "[stockstream.sources]\npolygon = acme_bars.source:AcmeSource",
            None,
            lambda: source_class("yahoo"),
            "polygon",
        ),
        (
            "[stockstream.listings]\nasx = acme_bars.listings:AcmeListings",
            None,
            lambda: open_listings(MARKETS["ASX"], settings()),
            "asx",
        ),
        (
            "[stockstream.strategies]\nBuyAndHold = acme_bars.strategy:X",
            None,
            lambda: find_strategy("Any"),
            "BuyAndHold",
        ),
        ("[stockstream.checks]\nany = acme_bars.checks", "checks/bars__unique.sql", checks, "bars__unique"),
        ("[stockstream.rules]\nany = acme_bars.rules", "rules/move.sql", rules.find_rules, "move"),
        ("[stockstream.indicators]\nany = acme_bars.indicators", "indicators/rsi_v9.sql", indicators.catalogue, "rsi"),
    ],
)
def test_a_name_of_a_built_in_is_an_error_with_both_packages(
    install: Install, entry_point: str, file: str | None, use: Callable[[], object], name: str
) -> None:
    package = install(entry_point)
    if file:
        (example,) = (package / file).parent.glob("*.sql")
        text = example.read_text().replace("acme_middle", "rsi").replace("version: 1", "version: 9")
        (package / file).write_text(text.replace("rsi_v1", "rsi_v9"))
    with pytest.raises(UsageError, match=f"stock-stream and acme-bars 1.0 both have {name} in stockstream"):
        use()


def test_a_name_of_another_package_is_an_error_with_both_packages(install: Install) -> None:
    install("[stockstream.sources]\nacme = acme_bars.source:AcmeSource\n")
    install("[stockstream.sources]\nacme = acme_bars.source:AcmeSource\n", name="bell")
    with pytest.raises(UsageError, match=r"acme-bars 1\.0 and bell 1\.0 both have acme in stockstream\.sources"):
        source_class("acme")


def test_of_a_package_that_is_installed_twice_the_first_on_the_path_counts(install: Install) -> None:
    install("[stockstream.sources]\nacme = nothing:X\n", folder="last")
    install("[stockstream.sources]\nacme = acme_bars.source:AcmeSource\n", folder="first")
    assert source_class("acme").name == "acme"


def test_without_such_packages_the_metadata_library_is_not_imported() -> None:
    code = (
        "import sys; from stockstream.sql import plugins; plugins.entry_points('sources')\n"
        "print('importlib.metadata' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
