"""The command `stockstream metadata`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from stockstream.analytics.cli.commands.metadata import metadata_command
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.markets import market
from stockstream.sql.errors import NoLake, UsageError
from tests.pipeline.test_metadata import ALPHA, BETA, DAYS, tell
from tests.pipeline.test_metadata_polygon import gone, lists, ticker
from tests.polygon_vendor import KEY, Vendor

app = typer.Typer()
app.command()(metadata_command)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STOCKSTREAM_LAKE", "asx")
    settings.cache_clear()
    return Lake("asx")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_lists_in_the_lake_need_no_key(lake: Lake) -> None:
    with pytest.raises(NoLake, match="asx is no lake"):
        run()
    lake.prepare(market("ASX"), DAYS[0])
    assert "no list of companies is new (`stockstream run` stores them)" in run().stdout
    tell(lake, DAYS[0], {"A": ALPHA, "B": BETA})
    tell(lake, DAYS[1], {"AA": ALPHA, "B": BETA})
    assert run().stdout == (
        "metadata   generation 1: 2 lists merged, 3 periods, 2 symbols listed now, 1 code changes\n"
    )
    assert "up to date" in run().stdout
    assert json.loads(run("--full", "--json").stdout) == {
        "generation": 2,
        "lists": 2,
        "rows": 3,
        "listed": 2,
        "code_changes": 1,
        "reused": 0,
        "unlinked": 0,
        "polygon": None,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "polygon", "--market", "US"], r"set POLYGON_API_KEY in the environment"),
        (["--source", "polygon"], "--source polygon has the US market only: use --source listings"),
        (["--date", "2020-01-02"], "--date is for --source polygon"),
        (["--market", "NOWHERE"], "no market NOWHERE"),
    ],
)
def test_a_wrong_use_is_one_line(lake: Lake, arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        run(*arguments)
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)


def test_polygon_is_asked_by_the_settings(lake: Lake, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", KEY)
    monkeypatch.setenv("STOCKSTREAM_POLYGON_URL", vendor.url)
    settings.cache_clear()
    lists(vendor, [ticker("A"), ticker("B")], [gone("C", DAYS[0])])
    shown = run("--source", "polygon", "--market", "US").stdout
    assert "polygon    tickers 2, delisted 1, codes of 0 symbols requested\nmetadata   generation 1: 1 lists" in shown
    assert "tickers stored before, delisted stored before" in run("--source", "polygon").stdout  # the lake's market
    assert "lists merged" in run("--source", "polygon", "--date", "2015-06-30").stdout
    assert vendor.requests[-1][1]["date"] == "2015-06-30"
    assert KEY not in shown
