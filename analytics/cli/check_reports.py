"""What `stockstream check` prints and writes: a table for people, and the formats of CI systems."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stockstream.analytics.cli.screen import Screen
from stockstream.pipeline.checks import Check, Finding, described
from stockstream.pipeline.checks.reports import FORMATS, SUFFIXES, summary
from stockstream.pipeline.errors import UsageError
from stockstream.sql.errors import did_you_mean

SHOWN = 3
"""Maximum number of bad rows printed per check."""


@dataclass(frozen=True)
class Output:
    """A file to write in a format."""

    format: str
    path: Path
    append: bool = False


def parse_output(text: str) -> Output:
    """Return the output in a text such as `junit.xml` or `markdown:summary.txt`.

    Raises:
        UsageError: there is no such format, or the name of the file does not say it.
    """
    name, colon, path = text.partition(":")
    if colon and name in FORMATS and path:
        return Output(name, Path(path))
    suffix = Path(text).suffix.lower()
    if suffix in SUFFIXES:
        return Output(SUFFIXES[suffix], Path(text))
    hint = did_you_mean(name, FORMATS) if colon else ""
    raise UsageError(
        f"--output {text}: the name ends with none of {', '.join(SUFFIXES)}{hint}; "
        f"write FORMAT:FILE with one of {', '.join(FORMATS)}"
    )


def write_outputs(findings: Sequence[Finding], subject: str, outputs: Iterable[Output]) -> None:
    """Write the files.

    Raises:
        UsageError: a file cannot be written.
    """
    for output in outputs:
        try:
            output.path.parent.mkdir(parents=True, exist_ok=True)
            with output.path.open("a" if output.append else "w", encoding="utf-8") as file:
                file.write(FORMATS[output.format](findings, subject))
        except OSError as error:
            raise UsageError(f"--output {output.path}: {error.strerror or error}") from None


def print_findings(findings: Sequence[Finding], subject: str, format: str) -> None:
    """Print the findings in a format, or as a table."""
    if format == "table":
        _print_table(findings)
    else:
        text = FORMATS[format](findings, subject)
        print(text, end="" if text.endswith("\n") or not text else "\n")


def print_sql(checks: Sequence[Check]) -> None:
    """Print the SQL of checks, each after a comment with its name; and why one cannot be run."""
    for check in checks:
        print(f"-- {check.name}" + (f": {check.error}" if check.error else ""))
        print(check.sql.rstrip() + "\n" if check.sql.strip() else "")


def _print_table(findings: Sequence[Finding]) -> None:
    """Print one line per check, followed by its first bad rows."""
    out = Screen()
    width = max(len("check"), *(len(finding.check.name) for finding in findings))

    def line(name: str, severity: str, bad_rows: str, what: str) -> None:
        out.print(f"{name:<{width}}  {severity:<8}  {bad_rows:>9}  {what}".rstrip())

    line("check", "severity", "bad rows", "the first of them")
    for finding in findings:
        texts = [finding.error] if finding.error else [described(row) for row in finding.rows[:SHOWN]]
        if finding.bad_rows > SHOWN:
            texts.append(f"and {finding.bad_rows - SHOWN:,} more: --json lists them")
        texts += finding.notes
        if finding.bad_rows and finding.check.fix:
            texts.append(f"what to do: {finding.check.fix}")
        count = "error" if finding.error else f"{finding.bad_rows:,}"
        line(finding.check.name, finding.check.severity, count, texts[0] if texts else "")
        for text in texts[1:]:
            line("", "", "", text)
    out.print(summary(findings))
