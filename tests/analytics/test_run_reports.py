"""What a run reports at its end: `--on-failure`, `--metrics-file`, `--log-file`; without news it publishes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.analytics.test_cli import CSV, _empty_folder, assert_one_error, bars, lake, run_cli, template
from tests.pipeline.alerts.conftest import receiver
from tests.pipeline.alerts.mail_server import MailServer
from tests.pipeline.alerts.receiver import Receiver, status
from tests.pipeline.alerts.test_email import configure

__all__ = ["_empty_folder", "bars", "lake", "receiver", "template"]  # fixtures

PARTIAL = ["--symbols", "BHP,NONE"]
"""NONE is in no file, so that the run is partial."""


def figures(path: str) -> dict[str, float]:
    """Return the metrics of a file, all of which have the lake as their label."""
    samples = [sample for family in text_string_to_metric_families(Path(path).read_text()) for sample in family.samples]
    assert len({sample.labels["lake"] for sample in samples}) == 1
    return {sample.name.removeprefix("stockstream_"): sample.value for sample in samples}


# --- a run without news


def objects(lake: str) -> dict[str, bytes]:
    return {str(path.relative_to(lake)): path.read_bytes() for path in Path(lake).rglob("*") if path.is_file()}


def test_a_run_that_fetched_nothing_publishes_nothing(bars: str, lake: str) -> None:
    arguments = ["run", "--source", bars, "--lake", lake, "--json"]
    assert run_cli(*arguments).code == 0  # the lake is a copy, whose files are new ones to a run
    before = objects(lake)
    ran = run_cli(*arguments)
    answer = json.loads(ran.out)
    assert (ran.code, answer["status"], answer["rows"], answer["generation"]) == (0, "complete", 0, None)
    assert objects(lake) == before

    ran = run_cli(*arguments, "--symbols", "NONE", "--metrics-file", "x.prom")
    answer = json.loads(ran.out)
    assert (ran.code, answer["status"], answer["generation"]) == (1, "failed", None)
    assert objects(lake) == before
    assert (figures("x.prom")["run_exit_code"], figures("x.prom")["run_missing"]) == (1, 1)


# --- a run that is not complete


def test_a_partial_run_is_reported_everywhere(
    bars: str, lake: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = 'cat > result.json; echo "$RUN_STATUS $RUN_EXIT_CODE $RUN_LAKE" | tee said; echo "$RUN_MESSAGE" > message'
    with MailServer() as server:
        configure(monkeypatch, server)
        hooks = [word for one in ("webhook", "email", command) for word in ("--on-failure", one)]
        ran = run_cli("run", "--source", bars, "--lake", lake, *PARTIAL, "--json", *hooks)
    assert ran.code == 3, ran
    answer = json.loads(ran.out)  # what the command prints is not in it
    (post,) = receiver.posts
    (one,) = post.document["alerts"]
    assert (one["rule"], one["severity"], one["session"]) == ("run", "warning", answer["date"])
    assert f"on {lake}: partial." in one["message"]
    assert "1 of 2 symbols are missing" in one["message"]
    (mail,) = server.mails
    assert mail.message["Subject"] == "stockstream warning: run"
    assert "NONE" in mail.message.get_content()
    assert json.loads(Path("result.json").read_text()) == answer
    assert Path("said").read_text() == f"partial 3 {lake}\n"
    assert Path("message").read_text().startswith(f"The run of {answer['date']} on {lake}: partial.\n")


def test_an_error_that_ends_a_run_is_reported(lake: str, receiver: Receiver) -> None:
    Path(lake, "state", "lake.json").write_text("no JSON")
    hooks = ["--on-failure", "webhook", "--on-failure", "cat > error.json; exit 7"]
    files = ["--log-file", "run.log", "--metrics-file", "run.prom"]
    ran = run_cli("run", "--lake", lake, *hooks, *files)
    assert (ran.code, ran.out) == (1, "")
    # What a server's thread prints about a connection that has gone is on the same standard error.
    warning, error = (line for line in ran.messages if line.startswith(("warning: ", "error: ")))
    assert warning.startswith("warning: --on-failure cat > error.json; exit 7: exit code 7")
    assert error.startswith("error: ")
    assert "state/lake.json is damaged" in error
    (one,) = receiver.posts[0].document["alerts"]
    assert (one["severity"], "state/lake.json is damaged" in one["message"]) == ("critical", True)
    document = json.loads(Path("error.json").read_text())
    assert (document["status"], document["lake"]) == ("failed", lake)
    assert figures("run.prom")["run_exit_code"] == 1
    last = json.loads(Path("run.log").read_text().splitlines()[-1])
    assert (last["level"], f"error: {last['message']}") == ("ERROR", error)


def test_a_report_that_fails_is_named(bars: str, lake: str, receiver: Receiver) -> None:
    receiver.answers += [status(403)]
    Path("x.prom").mkdir()
    ran = run_cli(
        "run", "--source", bars, "--lake", lake, *PARTIAL, "--on-failure", "webhook", "--metrics-file", "x.prom"
    )
    assert ran.code == 3
    assert ran.messages == [
        "warning: --metrics-file x.prom: Is a directory",
        "warning: --on-failure webhook: not delivered 1: 127.0.0.1 answers HTTP 403",
    ]
    assert [path.name for path in Path().iterdir() if path.name.startswith("x.prom.")] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--on-failure", "email"], "email is not configured: set ALERT_SMTP_URL and ALERT_EMAIL_TO"),
        (["--metrics-file", "run.txt"], "names end with .prom"),
        (["--metrics-file", "nowhere/run.prom"], "there is no folder nowhere"),
        (["--log-file", "nowhere/run.log"], "log file nowhere/run.log: there is no folder nowhere"),
    ],
)
def test_what_could_not_report_is_refused_at_the_start(arguments: list[str], words: str, bars: str, lake: str) -> None:
    before = objects(lake)
    assert_one_error(run_cli("run", "--source", bars, "--lake", lake, *arguments), 2, words)
    assert objects(lake) == before
    assert not Path("nowhere").exists()


# --- metrics and logs


def test_the_figures_and_the_log_of_a_complete_run(bars: str, tmp_path: Path, receiver: Receiver) -> None:
    files = ["--metrics-file", "run.prom", "--log-file", "run.log"]
    hooks = ["--on-failure", "webhook", "--on-failure", "touch ran"]
    ran = run_cli("run", "--source", bars, "--lake", str(tmp_path / "new"), *files, *hooks)
    assert ran.code == 0
    assert (receiver.posts, Path("ran").exists()) == ([], False), "it is no failure"
    one = figures("run.prom")
    assert (one["run_exit_code"], one["run_symbols"], one["run_rows"], one["run_missing"]) == (0, 2, 4, 0)
    assert (one["lake_generation"], one["lake_newest_bar_timestamp_seconds"]) == (1, 1_794_873_600)
    lines: list[dict[str, Any]] = [json.loads(line) for line in Path("run.log").read_text().splitlines()]
    assert [json.loads(line) for line in ran.err.splitlines()] == lines[:-1], "as on standard error"
    assert (lines[-1]["message"], lines[-1]["run"]["rows"], lines[-1]["environment"]) == ("run complete", 4, "dev")
    assert sorted(path.name for path in Path().iterdir() if path.name.startswith("run.")) == [
        "run.log",
        "run.log.lock",
        "run.prom",
    ]


def test_every_command_adds_to_the_file_of_the_setting(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_LOG_FILE", "all.log")
    assert run_cli("query", "FROM nothing", "--lake", lake).code != 0
    assert run_cli("query", "FROM bars", "--lake", lake, "--as-of", "9").code == 2
    lines = [json.loads(line) for line in Path("all.log").read_text().splitlines()]
    assert ["nothing" in lines[0]["message"], "no generation 9" in lines[1]["message"]] == [True, True]
    assert CSV not in Path("all.log").read_text()
