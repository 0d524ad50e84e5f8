"""Every setting of the program, in one place, from the environment and `.env`."""

from __future__ import annotations

import os
from datetime import date
from functools import cache
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from stockstream.pipeline.errors import UsageError


class Settings(BaseSettings):
    """Settings by the name of their environment variable; see the table in README.md.

    Raises:
        UsageError: (through `settings()`) naming each variable that is wrong.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True, populate_by_name=True)

    lake: str | None = Field(None, alias="STOCKSTREAM_LAKE", description="Folder or s3://bucket/prefix")
    s3_bucket_name: str | None = Field(None, alias="S3_BUCKET_NAME", description="Bucket of the lake if no lake is set")
    market: Literal["ASX", "US"] = Field("ASX", alias="STOCKSTREAM_MARKET", description="Market of a new lake")
    source: str = Field("yahoo", alias="STOCKSTREAM_SOURCE", description="yahoo, polygon, files:PATH or demo")
    start: date = Field(date(2000, 1, 1), alias="STOCKSTREAM_START", description="First day of a new symbol's history")
    trailing_sessions: int = Field(
        10, ge=1, alias="STOCKSTREAM_TRAILING_SESSIONS", description="Sessions fetched again, for late corrections"
    )
    resample: list[str] = Field(
        ["3d", "5d", "8d", "13d", "21d", "34d", "weekly", "monthly"],
        alias="STOCKSTREAM_RESAMPLE",
        description="Intervals of the resampled bars (a JSON list): sessions such as 3d, weekly, monthly",
    )

    environment: str = Field("dev", alias="ENVIRONMENT", description="Named in every log line")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="LOG_LEVEL", description="Least level"
    )
    aws_region: str = Field("ap-southeast-2", alias="AWS_REGION", description="Region of the bucket")
    aws_endpoint_url: str | None = Field(None, alias="AWS_ENDPOINT_URL", description="Another S3 server than AWS")

    asx_url: str = Field(
        "https://asx.api.markitdigital.com/asx-research/1.0/companies/directory/file",
        alias="STOCKSTREAM_ASX_URL",
        description="The exchange's directory, CSV",
    )
    asx_fallback_urls: list[str] = Field(
        [
            "https://www.asx.com.au/asx/research/ASXListedCompanies.csv",
            "https://www.marketindex.com.au/asx-listed-companies",
        ],
        alias="STOCKSTREAM_ASX_FALLBACK_URLS",
        description="Asked in turn when the directory is no believable list; CSV or HTML (a JSON list)",
    )
    yahoo_url: str | None = Field(None, alias="STOCKSTREAM_YAHOO_URL", description="A proxy or replay of Yahoo's API")
    yahoo_pause: float = Field(2.0, ge=0, alias="STOCKSTREAM_YAHOO_PAUSE", description="Seconds between two symbols")
    polygon_url: str = Field(
        "https://api.polygon.io", alias="STOCKSTREAM_POLYGON_URL", description="Polygon's REST API"
    )
    polygon_api_key: SecretStr | None = Field(None, alias="POLYGON_API_KEY", description="Polygon's key")
    polygon_api_key_parameter: str | None = Field(
        None, alias="POLYGON_API_KEY_PARAMETER", description="The SSM parameter that holds the key, for a Lambda"
    )
    polygon_calls_per_minute: int = Field(
        5, ge=1, alias="STOCKSTREAM_POLYGON_CALLS_PER_MINUTE", description="The plan's rate limit"
    )
    retry_attempts: int = Field(4, ge=1, alias="STOCKSTREAM_RETRY_ATTEMPTS", description="Tries of one request")
    retry_wait: float = Field(5.0, ge=0, alias="STOCKSTREAM_RETRY_WAIT", description="Seconds before the first retry")
    retry_wait_max: float = Field(
        60.0, ge=0, alias="STOCKSTREAM_RETRY_WAIT_MAX", description="Most seconds between two"
    )

    @property
    def lake_uri(self) -> str:
        """The lake to use when none is named: `STOCKSTREAM_LAKE`, else the bucket, else `./lake`."""
        if self.lake:
            return self.lake
        return f"s3://{self.s3_bucket_name}" if self.s3_bucket_name else "./lake"


@cache
def settings() -> Settings:
    """Read the settings once and check them."""
    try:
        loaded = Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())
        raise UsageError(f"settings (environment or .env): {wrong}") from None
    except SettingsError as error:  # a list that is no JSON; the message names the field
        fields = {name: field.alias or name for name, field in Settings.model_fields.items()}
        name = next((alias for name, alias in fields.items() if f'"{name}"' in str(error)), str(error))
        raise UsageError(f"settings (environment or .env): {name}: write a JSON list") from None
    # boto3 and DuckDB's credential chain look in the environment only: what .env says holds for them too.
    os.environ.setdefault("AWS_REGION", loaded.aws_region)
    os.environ.setdefault("AWS_DEFAULT_REGION", loaded.aws_region)
    if loaded.aws_endpoint_url:
        os.environ.setdefault("AWS_ENDPOINT_URL", loaded.aws_endpoint_url)
    return loaded
