"""Logs: on standard error one line of JSON per record, or plain text for warnings at a terminal; and in a file."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pythonjsonlogger.json import JsonFormatter

from stockstream.pipeline.configuration import settings

LogFileOption = Annotated[
    Path | None,
    typer.Option(
        "--log-file",
        metavar="FILE",
        help="Add the log to this file, too, as JSON; it is rotated.",
        show_default="$STOCKSTREAM_LOG_FILE",
    ),
]

NOISY = ("filelock", "sqlglot", "urllib3", "botocore", "boto3", "s3transfer")
"""Loggers of which warnings are enough: at DEBUG these libraries log whole requests with their tokens, at INFO the
origin of the credentials; and filelock logs the lock under which the log file is written."""

_end = logging.getLogger("stockstream.command")
"""How a command ends. Only the file has it: standard error and standard output say it by themselves."""
_end.propagate = False
_end.addHandler(logging.NullHandler())


def start_logging() -> None:
    """Send log records of LOG_LEVEL and above (at a terminal: of WARNING and above) to standard error, and to a file.

    Raises:
        UsageError: a setting is wrong, or the file cannot be written.
    """
    level = logging.getLevelNamesMapping()[settings().log_level]
    if sys.stderr.isatty():
        from rich.logging import RichHandler  # rich takes a tenth of a second to import

        from stockstream.analytics.cli.screen import PrintableFormatter, Screen

        handler: logging.Handler = RichHandler(
            level=max(level, logging.WARNING), console=Screen(stderr=True), show_path=False
        )
        handler.setFormatter(PrintableFormatter())
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(_json())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    _end.handlers = [logging.NullHandler()]
    if (path := settings().log_file) is not None:
        log_to(Path(path))


def log_to(path: Path | None) -> None:
    """Add the log to a file, instead of to that of the setting; do nothing for None.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None:
        return
    from stockstream.analytics.cli.log_file import LogFile

    values = settings()
    handler = LogFile(path.expanduser(), round(values.log_file_megabytes * 1e6), values.log_files)
    handler.setFormatter(_json())
    for logger in (logging.getLogger(), _end):
        for other in [other for other in logger.handlers if isinstance(other, LogFile)]:
            logger.removeHandler(other)
            other.close()
        logger.addHandler(handler)


def log_end(level: int, text: str, **fields: Any) -> None:
    """Add to the file, if there is one, how a command ends; `fields` are keys of the line."""
    _end.log(level, "%s", text, extra=fields)


def _json() -> JsonFormatter:
    return JsonFormatter(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        static_fields={"environment": settings().environment},
    )
