"""What installed packages add: entry points of the groups `stockstream.sources`, `.listings`, `.strategies`,
`.indicators`, `.checks` and `.rules`.

Nothing of a package is imported before it is used: of the groups with SQL files, only the folder is located.
importlib.metadata takes a twentieth of a second to import, which only an environment with such packages pays.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from stockstream.sql.errors import UsageError

GROUPS = ("sources", "listings", "strategies", "indicators", "checks", "rules")
OURS = "stock-stream"
"""The package whose names others must not take."""
_PREFIX = "stockstream."

T = TypeVar("T")


class PluginWarning(UserWarning):
    """An installed package has an entry point for Stock Stream that cannot be used; it is left out."""


@dataclass(frozen=True)
class Plugin:
    """An entry point: `name = value` in a group of a package."""

    group: str
    name: str
    value: str
    package: str
    """Name and version of the package, such as `acme-bars 1.0`."""

    def __str__(self) -> str:
        return f"{self.package} ({_PREFIX}{self.group}: {self.name} = {self.value})"

    def load(self, base: type[T]) -> type[T]:
        """Import and return the class.

        Raises:
            UsageError: it cannot be imported, or is no subclass of `base`.
        """
        module, _, attribute = self.value.partition(":")
        try:
            target: object = importlib.import_module(module.strip())
            for part in filter(None, attribute.strip().split(".")):
                target = getattr(target, part)
        except Exception as error:  # whatever code of others raises while it is imported
            raise UsageError(f"{self}: {_described(error)}") from None
        if not isinstance(target, type) or not issubclass(target, base):
            raise UsageError(f"{self}: it is no subclass of {base.__module__}.{base.__name__}")
        return target

    def folder(self) -> Path:
        """Return the folder of a package's files, without importing the package.

        Raises:
            UsageError: there is no such folder.
        """
        top, *inner = self.value.strip().split(".")
        try:
            spec = importlib.util.find_spec(top)
        except Exception as error:  # a finder of an editable install may raise anything
            raise UsageError(f"{self}: {_described(error)}") from None
        for location in (spec and spec.submodule_search_locations) or ():
            folder = Path(location, *inner)
            if folder.is_dir():
                return folder
        raise UsageError(f"{self}: there is no such folder")


def entry_points(group: str, builtin: Collection[str] = ()) -> dict[str, Plugin]:
    """Return the entry points of a group by name; `builtin` has the names that are taken.

    Raises:
        UsageError: a name is taken, by Stock Stream or by another package.
    """
    by_name: dict[str, Plugin] = {}
    for plugin in installed(group):
        if plugin.name in builtin:
            raise taken(group, plugin.name, OURS, plugin.package)
        if plugin.name in by_name:
            raise taken(group, plugin.name, by_name[plugin.name].package, plugin.package)
        by_name[plugin.name] = plugin
    return by_name


def installed(group: str) -> list[Plugin]:
    """Return the entry points of a group, also those whose names are taken."""
    return [plugin for plugin in _installed() if plugin.group == group]


def folders(group: str) -> list[tuple[Plugin, Path]]:
    """Return the folders of SQL files of a group; one that does not exist is named in a warning.

    Raises:
        UsageError: two packages have the same name in the group.
    """
    located = []
    for plugin in entry_points(group).values():
        try:
            located.append((plugin, plugin.folder()))
        except UsageError as error:
            warn_of(str(error))
    return located


def taken(what: str, name: str, first: str, second: str) -> UsageError:
    """Return the error about a name that two packages have."""
    return UsageError(f"{first} and {second} both have {name} in {_PREFIX}{what}: uninstall {second}, or rename it")


def warn_of(text: str) -> None:
    """Warn of something that is left out."""
    warnings.warn(f"not used: {text}", PluginWarning, stacklevel=2)


@cache
def _installed() -> tuple[Plugin, ...]:
    """Return all entry points of the groups in `GROUPS`, and warn of those of other groups and of files that are none.

    Of packages that are installed twice, the first on the path counts, as for an import.
    """
    by_package: dict[str, list[Plugin]] = {}
    for info in _infos():
        from importlib.metadata import Distribution

        distribution = Distribution.at(info)
        try:
            name = distribution.metadata["Name"]
            package = f"{name} {distribution.version}"
            points = [point for point in distribution.entry_points if point.group.startswith(_PREFIX)]
        except Exception as error:  # metadata is a text that others write
            warn_of(f"{info}: {_described(error)}")
            continue
        if name in by_package:
            continue
        by_package[name] = []
        for point in points:
            plugin = Plugin(point.group.removeprefix(_PREFIX), point.name, point.value, package)
            if plugin.group in GROUPS:
                by_package[name].append(plugin)
            else:
                warn_of(f"{plugin}: the groups are {', '.join(_PREFIX + group for group in GROUPS)}")
    return tuple(plugin for several in by_package.values() for plugin in sorted(several, key=lambda one: one.name))


def _infos() -> Iterator[Path]:
    """Yield the metadata folders of the packages with entry points for Stock Stream, in the order of the path."""
    for folder in dict.fromkeys(sys.path):
        try:
            infos = sorted(path for path in Path(folder or ".").iterdir() if path.name.endswith(".dist-info"))
        except OSError:  # a zip file, or nothing
            continue
        for info in infos:
            try:
                text = (info / "entry_points.txt").read_bytes()
            except OSError:
                continue
            if b"[stockstream." in text:
                yield info


def _described(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
