"""Findings as the formats that CI systems read: JSON, JUnit XML, annotations of GitHub, and Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

from stockstream.pipeline.checks.model import Finding, described, exit_code
from stockstream.pipeline.checks.record import as_json
from stockstream.pipeline.display import shown

SHOWN = 20
"""Bad rows per check in a report for people."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
WORDS = {"ok": "passed", "fail": "failed", "warn": "warned", "error": "could not be run"}


def as_json_text(findings: Sequence[Finding], subject: str) -> str:
    """Return one JSON object with all findings and their bad rows, up to `MAX_ROWS` per check."""
    status = {0: "ok", 1: "failed", 4: "error"}[exit_code(findings)]
    return json.dumps({"lake": subject, "status": status, "checks": [as_json(finding) for finding in findings]})


def as_junit(findings: Sequence[Finding], subject: str) -> str:
    """Return JUnit XML: a test case per check. JUnit has no warnings: they pass, with their rows in system-out."""
    statuses = [finding.status for finding in findings]
    counts = {"tests": len(findings), "failures": statuses.count("fail"), "errors": statuses.count("error")}
    attributes = {name: str(number) for name, number in counts.items()}
    root = ElementTree.Element("testsuites", {"name": "stockstream check"} | attributes)
    suite = ElementTree.SubElement(root, "testsuite", {"name": _xml(subject), "skipped": "0"} | attributes)
    for finding in findings:
        place = {"file": str(finding.check.path), "line": str(finding.check.line)} if finding.check.path else {}
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "checks", "name": _xml(finding.check.name)} | place
        )
        text = _xml("\n".join(_lines(finding)))
        if finding.status == "error":
            ElementTree.SubElement(case, "error", message=_xml(finding.error or ""), type="error").text = text
        elif finding.status == "fail":
            message = f"{finding.bad_rows:,} bad rows"
            ElementTree.SubElement(case, "failure", message=message, type="bad rows").text = text
        elif text:
            ElementTree.SubElement(case, "system-out").text = f"{WORDS[finding.status]}\n{text}"
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def as_github(findings: Sequence[Finding], subject: str) -> str:
    """Return workflow commands of GitHub Actions: an error or a warning per check, at its file and line."""
    lines = []
    for finding in findings:
        if finding.status == "ok":
            continue
        text = "\n".join([finding.check.title or f"{finding.bad_rows:,} bad rows", *_lines(finding)])
        properties = {"title": f"{finding.check.name}: {WORDS[finding.status]}"}
        path = _in_workspace(finding.check.path)
        if path is not None:
            properties |= {"file": path, "line": str(finding.check.line)}
        listed = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
        lines.append(f"::{'warning' if finding.status == 'warn' else 'error'} {listed}::{_escaped(text)}\n")
    return "".join(lines)


def as_markdown(findings: Sequence[Finding], subject: str) -> str:
    """Return a table of all checks, and the first bad rows of those that did not pass."""
    lines = [f"### Data checks of `{subject}`: {summary(findings)}", ""]
    lines += ["| check | result | bad rows | a bad row is |", "| --- | --- | ---: | --- |"]
    for finding in findings:
        notes = f" ({', '.join(finding.notes)})" if finding.notes else ""
        number = "" if finding.error else f"{finding.bad_rows:,}"
        cells = (f"`{finding.check.name}`", WORDS[finding.status] + notes, number, finding.check.title)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    for finding in findings:
        if finding.status != "ok":
            texts = _lines(finding)
            fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall("`+", "".join(texts))), 3)
            lines += ["", f"**`{finding.check.name}`** {WORDS[finding.status]}", "", fence, *texts, fence]
    return "\n".join(lines) + "\n"


FORMATS: dict[str, Callable[[Sequence[Finding], str], str]] = {
    "json": as_json_text,
    "junit": as_junit,
    "github": as_github,
    "markdown": as_markdown,
}
SUFFIXES = {".json": "json", ".xml": "junit", ".md": "markdown"}
"""The format of a file, by the end of its name."""


def summary(findings: Sequence[Finding]) -> str:
    """Return the number of checks, and of those that did not pass."""
    statuses = [finding.status for finding in findings]
    counts = ((statuses.count(status), WORDS[status]) for status in ("fail", "error", "warn"))
    return ", ".join([f"{len(findings)} checks", *(f"{count} {word}" for count, word in counts if count)])


def _lines(finding: Finding) -> list[str]:
    """Return the reason for which a check could not be run, or its first bad rows, and what to do."""
    lines = [shown(finding.error)] if finding.error else [described(row) for row in finding.rows[:SHOWN]]
    if finding.bad_rows > SHOWN:
        lines.append(f"and {finding.bad_rows - SHOWN:,} more")
    lines += finding.notes
    if finding.bad_rows and finding.check.fix:
        lines.append(f"what to do: {finding.check.fix}")
    return lines


def _xml(text: str) -> str:
    """Return a text without the characters that XML 1.0 does not have."""
    return _NOT_XML.sub("\ufffd", text)


def _escaped(text: str, more: str = "") -> str:
    for character in "%\r\n" + more:  # % first
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _in_workspace(path: Path | None) -> str | None:
    """Return the path of a check below the working directory, to which GitHub attaches the annotation."""
    if path is None or not path.resolve().is_relative_to(Path.cwd()):
        return None
    return path.resolve().relative_to(Path.cwd()).as_posix()
