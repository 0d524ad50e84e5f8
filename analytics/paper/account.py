"""What a paper account trades: its strategy, parameters and settings, as they were when it was started."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from inspect import getfile
from pathlib import Path
from types import NoneType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from stockstream.analytics.backtest.model import Setup, Strategy
from stockstream.analytics.backtest.runs import Run, find_strategy, make_strategy, plain_params
from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.pipeline.versions import version_of
from stockstream.sql.errors import StockStreamError, UsageError

FORMAT = 1
"""The newest format of an account and its states that this program reads, and the one that it writes."""
ROOT = Path(__file__).resolve().parents[2]
NOT_FOR_ACCOUNTS = ("end", "at_end")
"""Settings of a backtest that an account does not have: it has no end."""
_PLAIN = (str, int, float, bool, NoneType)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class AccountError(StockStreamError):
    """An account cannot take its next step; the other accounts do."""


class Account(BaseModel):
    """An account as it was started; it never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    market: str
    strategy: str
    """Name of a shipped strategy, or absolute path and class of a person's file: /home/me/my.py:Mine."""
    params: dict[str, Any]
    settings: dict[str, Any]
    """The fields of `Setup`, also those with defaults, which a later version may change."""
    sql_path: tuple[str, ...] = ()
    """Folders with further indicators."""
    files: dict[str, str]
    """SHA-256 per file that decides what the account does. Paths of shipped files are relative to the program."""
    started_at: str
    """ISO 8601, UTC."""
    program: str
    """Version of the program."""

    @property
    def start(self) -> date:
        """The first day; the first session is the first one with bars from then on."""
        return date.fromisoformat(self.settings["start"])

    @property
    def setup(self) -> Setup:
        """The settings of the account."""
        return Setup.of(**self.settings)

    def new_strategy(self) -> Strategy:
        """Return the strategy as it was before its first session.

        Raises:
            AccountError: a file is gone, or is another one than at the start.
            UsageError: the strategy cannot be loaded.
        """
        for path, checksum in self.files.items():
            if Path(path).is_absolute() and (present := _checksum(Path(path))) != checksum:
                problem = "is gone" if present is None else "has changed since the start of the account"
                raise AccountError(
                    f"{path} {problem} (SHA-256 {checksum[:12]} then): put that file back, or start another account"
                )
        return make_strategy(find_strategy(self.strategy), self.params)

    def notes(self) -> list[str]:
        """Return what is to be known of the shipped strategy: that it is another version than at the start."""
        shipped = {path: checksum for path, checksum in self.files.items() if not Path(path).is_absolute()}
        return [
            f"{path} is another version than at the start, with Stock Stream {self.program}"
            for path, checksum in shipped.items()
            if _checksum(ROOT / path) != checksum
        ]


def new_account(
    name: str, market: str, run: Run, sql_path: Sequence[str | Path], start: date, now: datetime
) -> Account:
    """Return an account for a run, as a configuration file and the command line describe it.

    Raises:
        UsageError: the name cannot be that of an account, or a setting is one that accounts do not have.
    """
    check_name(name)
    if len(run.combinations) != 1:
        raise UsageError(f"an account has one value per parameter, and these are {len(run.combinations)} combinations")
    if wrong := [setting for setting in NOT_FOR_ACCOUNTS if run.settings.get(setting) is not None]:
        raise UsageError(f"{wrong[0]}: an account has no end; `stockstream paper stop {name}` stops it")
    setup = Setup.of(**(run.settings | {"start": start}))
    folders = [Path(folder).resolve() for folder in sql_path]
    settings = setup.model_dump(mode="json", exclude=set(NOT_FOR_ACCOUNTS))
    for cost in ("commission", "slippage"):
        settings[cost] = _absolute(settings[cost], run.settings.get(cost))
    path, _, class_name = run.factory.partition(":")
    is_shipped = run.factory in SHIPPED
    own_file = f"{Path(path).resolve()}:{class_name or run.strategy.__name__}"
    return Account(
        name=name,
        market=market,
        strategy=own_file if path.endswith(".py") else run.factory,
        params=_params(run),
        settings=settings,
        sql_path=tuple(map(str, folders)),
        files=dict(_files(run.strategy, is_shipped, settings, folders)),
        started_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        program=version_of(),
    )


def check_name(name: str) -> None:
    """Check that a text can be the name of an account, and so of a folder in the lake.

    Raises:
        UsageError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of an account: use up to 64 letters, digits, points, hyphens and "
            "underscores, a letter or digit first"
        )


def _params(run: Run) -> dict[str, Any]:
    """Return the parameters, also defaults, which a later version of the strategy may change."""
    params = plain_params(run.combinations[0])
    defaults = plain_params(make_strategy(run.strategy, params).params)
    return {name: value for name, value in defaults.items() if isinstance(value, _PLAIN)} | params


def _absolute(cost: str, text: Any) -> str:
    """Return costs of a person's file with the absolute path of the file."""
    path, colon, name = str(text or cost).rpartition(":")
    return f"{Path(path).resolve()}:{name}" if colon and path.endswith(".py") else cost


def _files(
    strategy: type[Strategy], is_shipped: bool, settings: dict[str, Any], folders: Sequence[Path]
) -> Iterator[tuple[str, str]]:
    """Yield the files that decide what an account does, with their checksums."""
    paths = [Path(getfile(strategy)).resolve()]
    costs = [str(settings[cost]).rpartition(":")[0] for cost in ("commission", "slippage")]
    paths += [Path(path) for path in costs if path.endswith(".py")]
    paths += sorted(path for folder in folders for path in folder.rglob("*.sql"))
    for path in dict.fromkeys(paths):
        checksum = _checksum(path)
        assert checksum is not None
        yield str(path.relative_to(ROOT) if is_shipped and path is paths[0] else path), checksum


def _checksum(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
