"""Every setting of the program, from the environment and `.env`."""

from __future__ import annotations

import difflib
import json
import os
import re
import warnings
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from stockstream.pipeline.env_file import ENV_FILE, TRUST, read_env_file, refuse_sensitive, without_effect
from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.intervals import every
from stockstream.pipeline.markets import MARKETS

PREFIX = "STOCKSTREAM_"
"""The beginning of the names of our variables; those of others, such as LOG_LEVEL, have their own names."""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class SettingWarning(UserWarning):
    """A variable of the environment or of `.env` has no effect."""


class EnvironmentSettings(BaseModel):
    """Base class of settings that are read from environment variables and from the file `.env`.

    A field's alias is the name of its variable. A source with settings of its own declares a subclass in its module.
    """

    model_config = ConfigDict(populate_by_name=True)

    @classmethod
    def read(cls) -> Self:
        """Read the settings and check them.

        Raises:
            UsageError: a value is wrong, or stands in `.env` and must not; the message names its variable.
        """
        refuse_sensitive(str(field.alias) for field in cls.model_fields.values())
        try:
            return cls.model_validate(cls._values())
        except ValidationError as error:
            wrong = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())
            raise UsageError(f"settings (environment or .env): {wrong}") from None

    @classmethod
    def _values(cls) -> dict[str, object]:
        """Return the values that are set, by alias; an empty text does not count. The environment has precedence.

        Not pydantic-settings, which takes a tenth of a second to import.
        """
        texts = {**read_env_file(), **os.environ}
        by_name = {name.upper(): text for name, text in texts.items() if text}
        values: dict[str, object] = {}
        for field in cls.model_fields.values():
            name = str(field.alias)
            if (text := by_name.get(name.upper())) is None:
                continue
            try:
                values[name] = json.loads(text) if get_origin(field.annotation) is list else text
            except ValueError:
                raise UsageError(f"settings (environment or .env): {name}: write a JSON list") from None
        return values


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


def _upper(text: object) -> object:
    return text.upper() if isinstance(text, str) else text


def _level_of_others(text: str) -> str:
    """Return the value of LOG_LEVEL, which another program may have set: a level that we do not know is INFO."""
    level = {"WARN": "WARNING", "CRITICAL": "ERROR", "FATAL": "ERROR"}.get(text.upper(), text.upper())
    if level in LEVELS:
        return level
    message = f"LOG_LEVEL={text} has no effect, it is none of {', '.join(LEVELS)}: set STOCKSTREAM_LOG_LEVEL"
    warnings.warn(message, SettingWarning, stacklevel=2)
    return "INFO"


class Settings(EnvironmentSettings):
    """The settings of the program; a table of them is in README.md."""

    lake: str | None = Field(None, alias="STOCKSTREAM_LAKE", description="Folder or s3://bucket/prefix")
    s3_bucket_name: str | None = Field(None, alias="S3_BUCKET_NAME", description="Bucket of the lake if no lake is set")
    market: Annotated[str, AfterValidator(_check_market)] = Field(
        "ASX", alias="STOCKSTREAM_MARKET", description="Market of a new lake"
    )
    source: str = Field(
        "yahoo", alias="STOCKSTREAM_SOURCE", description="Source of bars; `stockstream run --help` lists them"
    )
    start: date = Field(date(2000, 1, 1), alias="STOCKSTREAM_START", description="First day of a new symbol's history")
    trailing_sessions: int = Field(
        10,
        ge=1,
        alias="STOCKSTREAM_TRAILING_SESSIONS",
        description="Sessions fetched again in each run, for late corrections",
    )
    resample: Annotated[list[str], AfterValidator(_check_intervals)] = Field(
        ["3d", "5d", "8d", "13d", "21d", "34d", "weekly", "monthly"],
        alias="STOCKSTREAM_RESAMPLE",
        description="Intervals of the resampled bars (a JSON list): sessions such as 3d, weekly, monthly",
    )

    raw_names: bool = Field(
        False,
        alias="STOCKSTREAM_RAW_NAMES",
        description="Show names as they are: with control characters, and as formulas in CSV",
    )
    cache: str | None = Field(
        None,
        alias="STOCKSTREAM_CACHE",
        description="Folder of the catalogue file, with the views as DuckDB stores them; otherwise "
        "`$XDG_CACHE_HOME/stockstream` or `~/.cache/stockstream`",
    )
    trust_env_file: bool = Field(
        False, alias=TRUST, description="In the environment only: let `.env` set endpoints (…_URL) and keys"
    )
    environment: str = Field("dev", alias="ENVIRONMENT", description="Name of the environment in every log line")
    level: Annotated[Level | None, BeforeValidator(_upper)] = Field(
        None, alias="STOCKSTREAM_LOG_LEVEL", description="Minimum level of log lines, instead of LOG_LEVEL"
    )
    general_level: Annotated[str, AfterValidator(_level_of_others)] = Field(
        "INFO", alias="LOG_LEVEL", description="Minimum level of log lines; other programs use this variable, too"
    )
    aws_region: str = Field("ap-southeast-2", alias="AWS_REGION", description="Region of the bucket")
    aws_endpoint_url: str | None = Field(None, alias="AWS_ENDPOINT_URL", description="An S3 server other than AWS")

    asx_url: str = Field(
        "https://asx.api.markitdigital.com/asx-research/1.0/companies/directory/file",
        alias="STOCKSTREAM_ASX_URL",
        description="The exchange's list of companies, CSV",
    )
    asx_fallback_urls: list[str] = Field(
        [
            "https://www.asx.com.au/asx/research/ASXListedCompanies.csv",
            "https://www.marketindex.com.au/asx-listed-companies",
        ],
        alias="STOCKSTREAM_ASX_FALLBACK_URLS",
        description="Tried in turn if the answer of STOCKSTREAM_ASX_URL is not a believable list; CSV or HTML "
        "(a JSON list)",
    )
    polygon_url: str = Field(
        "https://api.polygon.io", alias="STOCKSTREAM_POLYGON_URL", description="Address of Polygon's REST API"
    )
    polygon_api_key: SecretStr | None = Field(None, alias="POLYGON_API_KEY", description="API key of Polygon")
    polygon_api_key_parameter: str | None = Field(
        None, alias="POLYGON_API_KEY_PARAMETER", description="On Lambda: the SSM parameter that holds the key"
    )
    polygon_calls_per_minute: int = Field(
        5, ge=1, alias="STOCKSTREAM_POLYGON_CALLS_PER_MINUTE", description="Rate limit of the Polygon plan"
    )
    retry_attempts: int = Field(
        4, ge=1, alias="STOCKSTREAM_RETRY_ATTEMPTS", description="Maximum number of attempts per request"
    )
    retry_wait: float = Field(5.0, ge=0, alias="STOCKSTREAM_RETRY_WAIT", description="Seconds before the first retry")
    retry_wait_max: float = Field(
        60.0, ge=0, alias="STOCKSTREAM_RETRY_WAIT_MAX", description="Maximum seconds between two attempts"
    )

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
    if names := without_effect(str(field.alias) for field in Settings.model_fields.values()):
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
    names = {str(field.alias) for field in Settings.model_fields.values()}
    ours = {name.upper() for name in variables if name.upper().startswith(PREFIX)}
    if ours - names and (unknown := sorted(ours - (names := names | _names_in_sources()))):
        stems = {name.removeprefix(PREFIX): name for name in sorted(names)}  # all names have the prefix in common
        near = difflib.get_close_matches(unknown[0].removeprefix(PREFIX), stems, 1)
        hint = f"; did you mean {stems[near[0]]}?" if near else ": README.md lists them"
        return f"settings (environment or .env): there is no setting {', '.join(unknown)}{hint}"
    return None


def _names_in_sources() -> set[str]:
    """Return the variables of the sources, which are read from their text: importing them takes a second."""
    folder = Path(__file__).parent / "sources"
    texts = (path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    return {name for text in texts for name in re.findall(rf'alias="({PREFIX}\w+)"', text)}
