"""Every setting of the program, from the environment and `.env`."""

from __future__ import annotations

import difflib
import os
import re
import warnings
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from stockstream.pipeline.env_file import ENV_FILE, TRUST, read_env_file, without_effect
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.intervals import every
from stockstream.pipeline.markets import MARKETS
from stockstream.pipeline.setting_fields import EnvironmentSettings, Secret, setting

PREFIX = "STOCKSTREAM_"
"""The beginning of the names of our variables; those of others, such as LOG_LEVEL, have their own names."""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingWarning(UserWarning):
    """A variable of the environment or of `.env` has no effect."""


def _check_market(name: str) -> str:
    if name not in MARKETS:
        raise ValueError(f"write {' or '.join(MARKETS)}")
    return name


def _check_intervals(names: list[str]) -> list[str]:
    if not names:
        raise ValueError("name at least one interval")
    for name in names:
        try:
            every(name)
        except UsageError as error:
            raise ValueError(str(error)) from None
    return names


def _check_level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise ValueError(f"write one of {', '.join(LEVELS)}")
    return text.upper()


def _level_of_others(text: str) -> str:
    """Return the value of LOG_LEVEL, which another program may have set: a level that we do not know is INFO."""
    level = {"WARN": "WARNING", "CRITICAL": "ERROR", "FATAL": "ERROR"}.get(text.upper(), text.upper())
    if level in LEVELS:
        return level
    message = f"LOG_LEVEL={text} has no effect, it is none of {', '.join(LEVELS)}: set STOCKSTREAM_LOG_LEVEL"
    warnings.warn(message, SettingWarning, stacklevel=2)
    return "INFO"


@dataclass(frozen=True, kw_only=True)
class Settings(EnvironmentSettings):
    """The settings of the program; a table of them is in README.md."""

    lake: str | None = setting(None, "STOCKSTREAM_LAKE", "Folder or s3://bucket/prefix")
    s3_bucket_name: str | None = setting(None, "S3_BUCKET_NAME", "Bucket of the lake if no lake is set")
    market: str = setting("ASX", "STOCKSTREAM_MARKET", "Market of a new lake", convert=_check_market)
    source: str = setting("yahoo", "STOCKSTREAM_SOURCE", "Source of bars; `stockstream run --help` lists them")
    start: date = setting(date(2000, 1, 1), "STOCKSTREAM_START", "First day of a new symbol's history")
    trailing_sessions: int = setting(
        10,
        "STOCKSTREAM_TRAILING_SESSIONS",
        "Sessions fetched again in each run, for late corrections",
        minimum=1,
    )
    resample: list[str] = setting(
        ["3d", "5d", "8d", "13d", "21d", "34d", "weekly", "monthly"],
        "STOCKSTREAM_RESAMPLE",
        "Intervals of the resampled bars (a JSON list): sessions such as 3d, weekly, monthly",
        convert=_check_intervals,
    )

    raw_names: bool = setting(
        False,
        "STOCKSTREAM_RAW_NAMES",
        "Show names as they are: with control characters, and as formulas in CSV",
    )
    cache: str | None = setting(
        None,
        "STOCKSTREAM_CACHE",
        "Folder of the catalogue file, with the views as DuckDB stores them; otherwise "
        "`$XDG_CACHE_HOME/stockstream` or `~/.cache/stockstream`",
    )
    heartbeat: str | None = setting(
        None,
        "STOCKSTREAM_HEARTBEAT",
        "File that a stream touches every few seconds, for the health check of a container",
    )
    trust_env_file: bool = setting(False, TRUST, "In the environment only: let `.env` set endpoints (…_URL) and keys")
    environment: str = setting("dev", "ENVIRONMENT", "Name of the environment in every log line")
    level: str | None = setting(
        None, "STOCKSTREAM_LOG_LEVEL", "Minimum level of log lines, instead of LOG_LEVEL", convert=_check_level
    )
    general_level: str = setting(
        "INFO",
        "LOG_LEVEL",
        "Minimum level of log lines; other programs use this variable, too",
        convert=_level_of_others,
    )
    log_file: str | None = setting(None, "STOCKSTREAM_LOG_FILE", "File to which every command adds its log, as JSON")
    log_file_megabytes: float = setting(
        10.0, "STOCKSTREAM_LOG_FILE_MEGABYTES", "Size at which the log file is rotated", minimum=0.001
    )
    log_files: int = setting(
        5, "STOCKSTREAM_LOG_FILES", "Number of log files that are kept, with the newest", minimum=2
    )
    aws_region: str = setting("ap-southeast-2", "AWS_REGION", "Region of the bucket")
    aws_endpoint_url: str | None = setting(None, "AWS_ENDPOINT_URL", "An S3 server other than AWS")

    asx_url: str = setting(
        "https://asx.api.markitdigital.com/asx-research/1.0/companies/directory/file",
        "STOCKSTREAM_ASX_URL",
        "The exchange's list of companies, CSV",
    )
    asx_fallback_urls: list[str] = setting(
        [
            "https://www.asx.com.au/asx/research/ASXListedCompanies.csv",
            "https://www.marketindex.com.au/asx-listed-companies",
        ],
        "STOCKSTREAM_ASX_FALLBACK_URLS",
        "Tried in turn if the answer of STOCKSTREAM_ASX_URL is not a believable list; CSV or HTML (a JSON list)",
    )
    polygon_url: str = setting("https://api.polygon.io", "STOCKSTREAM_POLYGON_URL", "Address of Polygon's REST API")
    polygon_api_key: Secret | None = setting(None, "POLYGON_API_KEY", "API key of Polygon")
    massive_api_key: Secret | None = setting(
        None, "MASSIVE_API_KEY", "The same under the vendor's new name, Massive; its hosts are then those of Massive"
    )
    polygon_api_key_parameter: str | None = setting(
        None, "POLYGON_API_KEY_PARAMETER", "On Lambda: the SSM parameter that holds the key"
    )
    live_table: str | None = setting(None, "LIVE_TABLE", "On Lambda: the DynamoDB table of the live bars")
    serving_file: bool = setting(
        False, "STOCKSTREAM_SERVING_FILE", "Whether a run stores the serving file of its generation in the lake"
    )
    serving_keys_parameter: str | None = setting(
        None, "SERVING_KEYS_PARAMETER", "On Lambda: the SSM parameter with the keys of the HTTP interface"
    )
    serving_hosts: str | None = setting(
        None, "SERVING_HOSTS", "On Lambda: what the header Host may name, with commas between"
    )
    connections_table: str | None = setting(
        None, "CONNECTIONS_TABLE", "On Lambda: the DynamoDB table of the open websockets"
    )
    sockets_url: str | None = setting(
        None, "SOCKETS_URL", "On Lambda: the address of the WebSocket API for its own functions"
    )
    polygon_calls_per_minute: int = setting(
        5, "STOCKSTREAM_POLYGON_CALLS_PER_MINUTE", "Rate limit of the Polygon plan", minimum=1
    )
    retry_attempts: int = setting(4, "STOCKSTREAM_RETRY_ATTEMPTS", "Maximum number of attempts per request", minimum=1)
    retry_wait: float = setting(5.0, "STOCKSTREAM_RETRY_WAIT", "Seconds before the first retry", minimum=0)
    retry_wait_max: float = setting(
        60.0, "STOCKSTREAM_RETRY_WAIT_MAX", "Maximum seconds between two attempts", minimum=0
    )

    @property
    def retries(self) -> tuple[int, float, float]:
        """Maximum number of attempts per request; seconds before the second one, and at most between two."""
        return self.retry_attempts, self.retry_wait, self.retry_wait_max

    @property
    def polygon_key(self) -> Secret | None:
        """Polygon's key: `POLYGON_API_KEY`, else `MASSIVE_API_KEY`, as the vendor has been called since 2025."""
        return self.polygon_api_key or self.massive_api_key

    def polygon_host(self, url: str) -> str:
        """Return an address of Polygon, with Massive's host if the key is set under that name."""
        is_massive = self.polygon_api_key is None and self.massive_api_key is not None
        return url.replace(".polygon.io", ".massive.com") if is_massive else url

    @property
    def log_level(self) -> str:
        """Minimum level of log lines: `STOCKSTREAM_LOG_LEVEL`, else `LOG_LEVEL`."""
        return self.level or self.general_level

    @property
    def lake_uri(self) -> str:
        """URI of the default lake: `STOCKSTREAM_LAKE`, else the bucket `S3_BUCKET_NAME`, else `./lake`."""
        if self.lake:
            return self.lake
        return f"s3://{self.s3_bucket_name}" if self.s3_bucket_name else "./lake"


@cache
def settings() -> Settings:
    """Return the settings, which are read and checked once per process, and set the variables that boto3 reads.

    Raises:
        UsageError: a value is wrong; the message names its variable.
    """
    values = Settings.read()
    if message := unknown_variables():
        warnings.warn(message, SettingWarning, stacklevel=2)
    if names := without_effect(Settings.variables()):
        message = f"{', '.join(names)} in {ENV_FILE} of the working directory has no effect: set it in the environment"
        warnings.warn(message, SettingWarning, stacklevel=2)
    # boto3 and DuckDB's credential chain read the environment only: make the values of .env visible to them.
    os.environ.setdefault("AWS_REGION", values.aws_region)
    os.environ.setdefault("AWS_DEFAULT_REGION", values.aws_region)
    if values.aws_endpoint_url:
        os.environ.setdefault("AWS_ENDPOINT_URL", values.aws_endpoint_url)
    if values.cache:  # read by stockstream.sql, which does not import this module
        os.environ.setdefault("STOCKSTREAM_CACHE", values.cache)
    return values


def unknown_variables() -> str | None:
    """Return the message about variables of the environment and of `.env` that look like settings and are none."""
    variables = {*os.environ, *read_env_file()}
    names = set(Settings.variables())
    ours = {name.upper() for name in variables if name.upper().startswith(PREFIX)}
    if ours - names and (unknown := sorted(ours - (names := names | _names_in_sources()))):
        stems = {name.removeprefix(PREFIX): name for name in sorted(names)}  # all names have the prefix in common
        near = difflib.get_close_matches(unknown[0].removeprefix(PREFIX), stems, 1)
        hint = f"; did you mean {stems[near[0]]}?" if near else ": README.md lists them"
        return f"settings (environment or .env): there is no setting {', '.join(unknown)}{hint}"
    return None


def _names_in_sources() -> set[str]:
    """Return the variables of the sources, which are read from their text: importing them takes a second."""
    folder = Path(__file__).parent
    texts = (path.read_text(encoding="utf-8") for path in folder.glob("**/sources/**/*.py"))
    return {name for text in texts for name in re.findall(rf'setting\([^()]*?"({PREFIX}\w+)"', text)}
