"""The strategies that a form can run: the shipped ones, and those of the files of one folder.

A file of the folder is run only in a process of its own (`child.py`): it can end, print, or never return.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stockstream.analytics.backtest.strategies import SHIPPED
from stockstream.analytics.serving.backtests.description import described
from stockstream.analytics.serving.backtests.processes import Limits, ask
from stockstream.analytics.serving.problems import Problem
from stockstream.sql.errors import UsageError, did_you_mean

DESCRIBING = Limits(seconds=30, megabytes=1024)
_FILE = re.compile(r"\w[\w-]*\.py")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a strategy's `__init__`."""

    name: str
    default: Any
    """None, bool, int, float or str; another default cannot be changed in a form."""
    is_plain: bool
    is_required: bool


@dataclass(frozen=True)
class Choice:
    """A strategy that can be run."""

    name: str
    """As after `--strategy`: `MovingAverageCrossover` or `my.py:Mine`."""
    path: Path | None
    """The file; None: it is a shipped one."""
    title: str
    parameters: tuple[Parameter, ...]

    @property
    def class_name(self) -> str:
        """The name of the class."""
        return self.name.rpartition(":")[2]

    @property
    def argument(self) -> str:
        """The strategy for `find_strategy`."""
        return self.name if self.path is None else f"{self.path}:{self.class_name}"


class Strategies:
    """The shipped strategies and those of a folder, if there is one."""

    def __init__(self, folder: Path | None) -> None:
        """Open a folder.

        Raises:
            UsageError: there is none.
        """
        if folder is not None and not folder.is_dir():
            raise UsageError(f"--strategies {folder}: there is no such folder")
        self.folder = folder.resolve() if folder else None
        self._described: dict[Path, tuple[tuple[int, int], list[Choice]]] = {}

    @property
    def shipped(self) -> list[str]:
        """The names of the shipped strategies."""
        return sorted(SHIPPED)

    @property
    def files(self) -> list[str]:
        """The names of the files in the folder; links that lead out of it and hidden files are left out.

        Raises:
            Problem: the folder cannot be read (503).
        """
        if self.folder is None:
            return []
        try:
            paths = [path for path in self.folder.iterdir() if _FILE.fullmatch(path.name) and self._inside(path)]
        except OSError as error:
            raise Problem(503, f"the folder of strategies cannot be read: {error.strerror}") from None
        return sorted(path.name for path in paths)

    def choices(self, name: str) -> list[Choice]:
        """Return the strategies that a name means: one, or those of a file that has several.

        Raises:
            Problem: there is none (404), or its file fails (422).
        """
        if name in SHIPPED:
            return [_choice(name, None, described(SHIPPED[name]))]
        file, _, class_name = name.partition(":")
        if self.folder is None or file not in self.files:
            hint = did_you_mean(name, [*self.shipped, *self.files]) or ""
            raise Problem(404, f"there is no strategy {name}{hint}: the form lists them", parameter="strategy")
        choices = self._of(self.folder / file)
        return [one for one in choices if one.name == name] if class_name else choices

    def choice(self, name: str) -> Choice:
        """Return the strategy of a name.

        Raises:
            Problem: there is none, or several (404), or its file fails (422).
        """
        choices = self.choices(name)
        if len(choices) != 1:
            names = ", ".join(one.name for one in choices) or "none"
            raise Problem(404, f"there is no strategy {name}: there are {names}", parameter="strategy")
        return choices[0]

    def _inside(self, path: Path) -> bool:
        assert self.folder is not None
        return path.is_file() and path.resolve().parent == self.folder

    def _of(self, path: Path) -> list[Choice]:
        try:
            about = path.stat()
        except OSError as error:
            raise Problem(404, f"{path.name}: {error.strerror}", parameter="strategy") from None
        state = about.st_mtime_ns, about.st_size
        if (before := self._described.get(path)) is not None and before[0] == state:
            return before[1]
        answer = ask({"describe": str(path)}, DESCRIBING)
        if (reason := answer.get("error")) is not None:
            raise Problem(422, str(reason), parameter="strategy")
        choices = [_choice(f"{path.name}:{name}", path, one) for name, one in answer["strategies"].items()]
        self._described[path] = state, choices
        return choices


def _choice(name: str, path: Path | None, about: dict[str, Any]) -> Choice:
    return Choice(name, path, about["title"], tuple(Parameter(**one) for one in about["parameters"]))
