"""Reports of a run that has ended: to channels and commands about a failure, and to a file of metrics."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stockstream.analytics.cli.endings import described, print_line
from stockstream.analytics.cli.run_metrics import require_metrics, write_metrics
from stockstream.pipeline.alerts.channels import NAMES, open_channel
from stockstream.pipeline.alerts.model import Alert
from stockstream.pipeline.alerts.notifier import Notifier
from stockstream.pipeline.alerts.outstanding import SECONDS, failure_of
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.steps.summarise import message_of
from stockstream.sql.errors import ExitCode, StockStreamError

logger = logging.getLogger(__name__)

COMMAND_SECONDS = 300.0
"""How long the command of `--on-failure` may take."""


@dataclass(frozen=True)
class Outcome:
    """How a run has ended."""

    status: str
    """complete, partial or failed."""
    code: int
    lake: str
    message: str
    """For people: what failed."""
    result: Mapping[str, Any] | None
    """The result of the run; None if an error has ended it."""


@dataclass(frozen=True)
class RunReports:
    """Where the end of a run is reported: to channels and commands if it is not complete, and to a file of metrics."""

    on_failure: tuple[str, ...] = ()
    metrics_file: Path | None = None

    @contextmanager
    def of_errors(self, lake: str) -> Iterator[None]:
        """Report an error that ends the run, and let it end it."""
        try:
            yield
        except Exception as error:
            text = str(error) if isinstance(error, StockStreamError) else described(error)
            code = error.exit_code if isinstance(error, StockStreamError) else ExitCode.FAILED
            self.report(Outcome("failed", code, lake, f"The run on {lake} failed: {text}", None))
            raise

    def of_result(self, result: Mapping[str, Any], code: int) -> None:
        """Report a run that has reached its end."""
        self.report(Outcome(result["status"], code, result["lake"], message_of(result), result))  # type: ignore[arg-type]

    def report(self, outcome: Outcome) -> None:
        """Report the end of a run; what cannot be reported is a line on standard error, and changes nothing else."""
        faults = []
        if self.metrics_file is not None:
            try:
                write_metrics(self.metrics_file, outcome.lake, outcome.code, outcome.result)
            except OSError as error:
                faults.append(f"--metrics-file {self.metrics_file}: {error.strerror or error}")
        if outcome.status != "complete":
            channels = [one for one in self.on_failure if one in NAMES]
            faults += _by_channels(channels, outcome)
            faults += [fault for one in self.on_failure if one not in NAMES if (fault := _by_command(one, outcome))]
        for fault in faults:
            logger.error("%s", fault)
            print_line(f"warning: {fault}")


NO_REPORTS = RunReports()


def open_reports(on_failure: Sequence[str] | None, metrics_file: Path | None) -> RunReports:
    """Return the reports of the options, whose channels are configured.

    Raises:
        UsageError: a channel lacks a setting, or the package of the metrics is not installed.
    """
    for name in on_failure or ():
        if name in NAMES:
            open_channel(name)
    if metrics_file is not None:
        require_metrics(metrics_file)
    return RunReports(tuple(on_failure or ()), metrics_file)


def _by_channels(names: Sequence[str], outcome: Outcome) -> list[str]:
    """Send a message over channels; return a line per channel that has not delivered it."""
    if not names:
        return []
    now = datetime.now(UTC)
    alert = Alert(
        rule="run",
        symbol="",
        session=str(outcome.result["date"] if outcome.result else now.date()),
        at=now.isoformat(timespec="milliseconds"),
        severity="critical" if outcome.status == "failed" else "warning",
        value=None,
        message=outcome.message,
        channels=tuple(names),
    )
    notifier = Notifier(attempts=settings().retry_attempts)
    notifier.send([alert])
    reports = notifier.close(SECONDS)
    return [f"--on-failure {name}: {failure_of(one)}" for name, one in reports.items() if not one.delivered]


def _by_command(command: str, outcome: Outcome) -> str | None:
    """Run a command of the shell, with the result of the run as JSON on its standard input; return what failed.

    Its output goes to standard error: standard output is that of the run.
    """
    document = outcome.result or {"status": outcome.status, "lake": outcome.lake, "error": outcome.message}
    variables = {
        "RUN_STATUS": outcome.status,
        "RUN_EXIT_CODE": str(int(outcome.code)),
        "RUN_LAKE": outcome.lake,
        "RUN_MESSAGE": outcome.message.replace("\0", ""),
    }
    try:
        process = subprocess.Popen(
            command, shell=True, stdin=subprocess.PIPE, stdout=2, env=os.environ | variables, start_new_session=True
        )
    except OSError as error:
        return f"--on-failure {command}: {error.strerror}"
    try:
        process.communicate(json.dumps(document).encode(), COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        return f"--on-failure {command}: it has not ended after {COMMAND_SECONDS:.0f} s, and was killed"
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return f"--on-failure {command}: exit code {process.returncode}" if process.returncode else None
