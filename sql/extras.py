"""The packages that are not part of every installation, and the extra of pyproject.toml that installs each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from stockstream.sql.errors import UsageError

EXTRAS = {
    "altair": "plot",
    "anyio": "mcp",
    "aws_lambda_powertools": "aws",
    "bokeh_sampledata": "demo",
    "boto3": "s3",
    "botocore": "s3",
    "bs4": "run",
    "cloudpickle": "backtest",
    "duckdb_extension_aws": "s3",
    "duckdb_extension_httpfs": "s3",
    "duckdb_extension_quack": "quack",
    "exchange_calendars": "run",
    "fsspec": "s3",
    "google.protobuf": "live",
    "loky": "backtest",
    "mangum": "aws",
    "mcp": "mcp",
    "msgspec": "live",
    "numpy": "backtest",
    "optuna": "search",
    "pandas": "run",
    "polars": "polars",
    "prometheus_client": "serve",
    "pyarrow": "polars",
    "pyspark": "spark",
    "redis": "redis",
    "requests": "run",
    "requests_ratelimiter": "run",
    "skfolio": "portfolio",
    "starlette": "serve",
    "tenacity": "run",
    "urllib3": "s3",
    "uvicorn": "serve",
    "vl_convert": "plot",
    "websockets": "live",
    "yfinance": "yahoo",
}
"""The extra by the name under which a package is imported. If several extras have it: that of users who lack it."""


class MissingPackage(UsageError):
    """A package is not installed; the message names the extra that has it."""


def require(*modules: str, by: str = "this", extra: str | None = None) -> None:
    """Check that packages are installed, without importing them.

    Args:
        modules: the names under which they are imported.
        by: what needs them, for the message.
        extra: the extra that has all of them, if it is not that of the table.

    Raises:
        MissingPackage: one of them is not.
    """
    if missing := [module for module in modules if not _is_installed(module)]:
        raise MissingPackage(_message(by, missing, {extra or EXTRAS[module] for module in missing}))


def missing_package(error: BaseException) -> str | None:
    """Return the message for a package that could not be imported; None if the error is another one."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    for module, extra in EXTRAS.items():
        if f"{error.name}.".startswith(f"{module}.") or f"{module}.".startswith(f"{error.name}."):
            return None if _is_installed(module) else _message("this", [module], {extra})
    return None


@contextmanager
def naming_the_extra() -> Iterator[None]:
    """Raise a `MissingPackage` for an import that fails as a package of the table is not installed.

    Raises:
        MissingPackage: see above.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (message := missing_package(error)) is None:
            raise
        raise MissingPackage(message) from None


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that a module is part of
        return False


def _message(by: str, modules: list[str], extras: set[str]) -> str:
    # Stock Stream is on no package index.
    return f'{by} needs {" and ".join(modules)}: pip install ".[{",".join(sorted(extras))}]" in its checkout'
