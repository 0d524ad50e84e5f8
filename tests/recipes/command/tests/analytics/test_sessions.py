"""`stockstream sessions`."""

from __future__ import annotations

from pathlib import Path

from tests.analytics.test_cli import run_cli


def test_sessions_are_counted(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text("symbol,date,close\nAAA,2024-01-02,1\nAAA,2024-01-03,1\n")
    lake = str(tmp_path / "lake")
    run_cli("run", "--source", f"files:{tmp_path}/bars.csv", "--market", "US", "--lake", lake)
    assert run_cli("sessions", "--lake", lake).out == "AAA 2\n"
