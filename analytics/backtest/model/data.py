"""The bar that a strategy sees: one view that moves over the columns. One dict per bar would be slower by a second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Data(Mapping[str, Any]):
    """The values of one bar, as `data["close"]` or `data.close`; None where SQL has NULL, as during a warm-up.

    An object that a strategy keeps stays at its bar. It also keeps the block of rows around that bar in memory: to keep
    many bars, store `dict(data)` or the values.
    """

    __slots__ = ("_columns", "_names", "_row")

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._columns: Mapping[str, Sequence[Any]] = {}
        self._row = 0

    def copy(self) -> Data:
        """Return another view of the same bar."""
        other = type(self)(self._names)
        other._columns, other._row = self._columns, self._row
        return other

    def __getitem__(self, name: str) -> Any:
        return self._columns[name][self._row]

    def __getattr__(self, name: str) -> Any:
        """Raise AttributeError with the names of the columns; existing columns are properties (`make_view`)."""
        raise AttributeError(f"data has no {name}: it has {', '.join(self._names)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))


def make_view(names: Sequence[str]) -> Data:
    """Return a view with one attribute per column whose name is a valid identifier that `Data` does not use itself."""

    def attribute(name: str) -> property:
        return property(lambda self: self._columns[name][self._row])

    free = {name: attribute(name) for name in names if name.isidentifier() and not hasattr(Data, name)}
    return type("Data", (Data,), {"__slots__": (), **free})(names)  # type: ignore[no-any-return]
