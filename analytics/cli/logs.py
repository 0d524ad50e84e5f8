"""Logs on standard error: one line of JSON per record, or plain text for warnings at a terminal."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from stockstream.pipeline.configuration import settings


def start_logging() -> None:
    """Send log records of LOG_LEVEL and above (at a terminal: of WARNING and above) to standard error."""
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
        handler.setFormatter(
            JsonFormatter(
                "%(asctime)s %(levelname)s %(name)s %(message)s",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
                static_fields={"environment": settings().environment},
            )
        )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # At DEBUG these libraries log whole requests with their tokens, at INFO the origin of the credentials.
    for noisy in ("sqlglot", "urllib3", "botocore", "boto3", "s3transfer"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
