"""`stockstream doctor`: looks at the machine, the settings and the lake, and says what to do."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from dataclasses import asdict

import typer

from stockstream.analytics.cli.commands.run import SourceOption
from stockstream.analytics.cli.logs import start_logging
from stockstream.analytics.cli.options import JsonOption, LakeOption, lake_uri
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.analytics.doctor import Finding, examine
from stockstream.analytics.doctor.findings import State
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.lake import Lake
from stockstream.sql.errors import ExitCode, StockStreamError


@command("doctor", Panel.UPKEEP, 5)
def doctor_command(lake: LakeOption = None, source: SourceOption = None, as_json: JsonOption = False) -> None:
    """Look at versions, settings, credentials, clock, disks and the lake, and print what to do. It changes nothing.

    One small request goes to S3, or to the source, to compare the clocks. No secret is printed.
    Exit codes: 0 all is well, 3 warnings only, 1 something fails.

    Example: stockstream doctor --lake s3://bucket/prefix --json
    """
    fault = None
    with warnings.catch_warnings():  # these are findings, too
        warnings.simplefilter("ignore")
        try:
            start_logging()
        except StockStreamError as error:
            fault = str(error)
    settings.cache_clear()
    findings = list(examine(lambda: Lake(lake_uri(lake)), source))
    if fault and not any(one.text == fault for one in findings):  # the log file cannot be written
        findings.append(Finding.failed("settings", fault))
    counts = Counter(one.state for one in findings)
    if as_json:
        document = {"failed": counts["failed"], "warnings": counts["warning"]}
        print(json.dumps(document | {"findings": [asdict(one) for one in findings]}))
    else:
        _show(Screen(), findings, counts)
    raise typer.Exit(
        ExitCode.FAILED if counts["failed"] else ExitCode.PARTIAL if counts["warning"] else ExitCode.COMPLETE
    )


def _show(out: Screen, findings: list[Finding], counts: Counter[State]) -> None:
    for one in findings:
        out.print(f"{one.state:<8}  {one.check:<11}  {one.text}", markup=False)
        if one.action:
            out.print(f"{'':<23}→ {one.action}", markup=False)
    out.print(f"{counts['failed']} failed, {counts['warning']} warnings")
