"""The settings of a run in a configuration file, on the command line and in Python: the same names, the same checks."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer import Context
from typer.core import TyperOption
from typer.main import get_command

from stockstream.analytics.backtest.model import FORMER_NAMES, Setup
from stockstream.analytics.cli import app
from stockstream.analytics.cli.application import OLD_NAMES
from stockstream.analytics.cli.setup_options import PANELS
from tests.analytics.backtest._command import assert_refused, run_backtest, run_cli

CONFIG = """
strategy = "MINE"
symbols = ["BBB"]
start = 2020-06-10
end = "2020-07-10"
fill_at = "close"
commission = "zero"

[params]
size = 7
note = "slow"
"""


def configured(mine: str, text: str = CONFIG) -> str:
    Path("../run.toml").write_text(text.replace("MINE", mine))
    return "../run.toml"


def test_a_configuration_file_is_a_whole_run(mine: str, lake: str) -> None:
    ran = run_cli("backtest", "--config", configured(mine), "--lake", lake, "--json")
    assert ran.code == 0, ran.err
    setup = json.loads(ran.out)["setup"]
    expected = {
        "symbols": ["BBB"],
        "start": "2020-06-10",
        "end": "2020-07-10",
        "fill_at": "close",
        "commission": "zero",
    }
    assert {name: setup[name] for name in expected} == expected
    assert setup["params"] == {"size": 7, "fail": False, "note": "slow"}


def test_a_text_in_a_configuration_file_is_one_value_and_a_list_several(mine: str, lake: str) -> None:
    text = configured(mine, CONFIG.replace('"slow"', '"slow, then fast"'))
    document = json.loads(run_cli("backtest", "--config", text, "--lake", lake, "--json").out)
    assert "setup" in document, "one run, not two"
    assert document["setup"]["params"]["note"] == "slow, then fast"


def test_the_command_line_wins_over_the_configuration_file(mine: str, lake: str) -> None:
    arguments = ["--symbols", "AAA", "--fill-at", "open", "--param", "size=2", "--start", "2020-06-15", "--json"]
    setup = json.loads(run_cli("backtest", "--config", configured(mine), "--lake", lake, *arguments).out)["setup"]
    assert (setup["symbols"], setup["fill_at"], setup["start"]) == (["AAA"], "open", "2020-06-15")
    assert (setup["params"]["size"], setup["params"]["note"]) == (2, "slow")
    assert (setup["end"], setup["commission"]) == ("2020-07-10", "zero"), "the rest is the file's"
    ran = run_cli("backtest", "--config", configured(mine), "--strategy", "BuyAndHold", "--lake", lake)
    assert "BuyAndHold has no parameter " in ran.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("strategy =", "run.toml is not valid TOML"),
        ('strategy = "BuyAndHold"\nspeed = 3', "there is no setting speed"),
        ('strategy = "BuyAndHold"\n[params]\nspeed = 3', "BuyAndHold has no parameter speed: it takes percent = 95"),
        ('symbols = ["AAA"]', "--strategy: name one"),
        ('strategy = "BuyAndHold"\nstart = "soon"', "start: "),
        ('strategy = "BuyAndHold"\nlake = "elsewhere"', "lake"),
        ('strategy = "BuyAndHold"\nas_of = 99', "as_of"),
        ('strategy = "BuyAndHold"\nparams = 3', "params"),
        ('strategy = "BuyAndHold"\ncharted = 3', "charted"),
        ('strategy = "BuyAndHold"\ncon = 3', "con"),
        ("strategy = 5", "strategy"),
    ],
)
def test_a_configuration_file_that_cannot_be_is_one_line_and_exit_2(
    text: str, words: str, mine: str, lake: str
) -> None:
    assert_refused(run_cli("backtest", "--config", configured(mine, text), "--lake", lake), words)


def test_the_settings_of_a_run_are_enough_to_run_it_again(mine: str, lake: str) -> None:
    """The `setup` of `result.json`, written as TOML, is a configuration file of the same run."""
    setup = json.loads(run_backtest("BuyAndHold", lake, "--symbols", "AAA", "--json").out)["setup"]
    lines = [f"{name} = {json.dumps(value)}" for name, value in setup.items() if value is not None and name != "params"]
    text = "\n".join([*lines, "[params]", *(f"{name} = {value}" for name, value in setup["params"].items())])
    assert tomllib.loads(text)["strategy"] == "BuyAndHold"
    again = run_cli("backtest", "--config", configured(mine, text), "--lake", lake, "--json")
    assert json.loads(again.out)["setup"] == setup


# One definition of each setting


def options() -> dict[str, TyperOption]:
    """Return the command's options by flag."""
    command = get_command(app).get_command(Context(get_command(app)), "backtest")
    return {flag: option for option in command.params for flag in (*option.opts, *option.secondary_opts)}


@pytest.mark.parametrize("name", Setup.model_fields)
def test_every_setting_is_an_option_of_the_same_name_with_the_description_of_its_field(name: str) -> None:
    option, field = options()[f"--{name.replace('_', '-')}"], Setup.model_fields[name]
    assert option.help == field.description
    assert option.rich_help_panel in PANELS
    assert option.default is None, "the file or the field decides"


@pytest.mark.parametrize(("former", "name"), FORMER_NAMES.items())
def test_a_former_name_is_an_option_that_no_help_shows(former: str, name: str) -> None:
    assert OLD_NAMES[former.replace("_", "-")] == name.replace("_", "-")
    assert f"--{former.replace('_', '-')}" not in options()


def test_former_names_are_read_everywhere_and_mean_the_current_ones(mine: str, lake: str) -> None:
    assert FORMER_NAMES == {"start_date": "start", "end_date": "end", "maintenance": "maintenance_margin"}
    assert Setup.of(start_date="2020-06-10", maintenance=0.5) == Setup.of(start="2020-06-10", maintenance_margin=0.5)
    text = configured(mine, 'strategy = "BuyAndHold"\nstart_date = 2020-06-10\nmaintenance = 0.5')
    ran = run_cli(
        "backtest", "--config", text, "--start", "2020-06-15", "--end-date", "2020-07-01", "--lake", lake, "--json"
    )
    assert ran.code == 0, ran.err
    setup = json.loads(ran.out)["setup"]
    assert (setup["start"], setup["end"], setup["maintenance_margin"]) == ("2020-06-15", "2020-07-01", 0.5)


def test_a_setting_under_both_names_is_refused(mine: str, lake: str) -> None:
    text = configured(mine, 'strategy = "BuyAndHold"\nstart = 2020-06-15\nstart_date = 2020-06-15')
    ran = run_cli("backtest", "--config", text, "--lake", lake)
    assert_refused(ran, "start_date is the former name of start: set only start")
