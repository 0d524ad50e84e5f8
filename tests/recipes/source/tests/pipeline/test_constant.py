"""The source `constant`."""

from __future__ import annotations

from tests.analytics.test_cli import run_cli


def test_a_run_stores_its_bars(tmp_path) -> None:  # type: ignore[no-untyped-def]
    lake = str(tmp_path / "lake")
    arguments = ("--start", "2024-01-02", "--end", "2024-01-05", "--symbols", "AAA", "--market", "US")
    ran = run_cli("backfill", "--source", "constant", *arguments, "--lake", lake)
    assert ran.code == 0, ran.err
    assert "1.0" in run_cli("query", "--lake", lake, "SELECT sum(close) / 4 FROM bars", "--format", "csv").out


def test_it_is_in_the_help() -> None:
    assert "constant: the same close on every session" in " ".join(
        run_cli("run", "--help").out.replace("│", " ").split()
    )
