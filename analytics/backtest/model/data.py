"""The bar that a strategy is shown: one view that moves over lists of columns, as a dict a bar would cost a second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class Data(Mapping[str, Any]):
    """The values of one bar: `data["close"]` or `data.close`; None where SQL has NULL, as while an average warms up.

    It moves on to the next bar: `dict(data)` is what can be kept.
    """

    __slots__ = ("_columns", "_names", "_row")

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._columns: Mapping[str, list[Any]] = {}
        self._row = 0

    def __getitem__(self, name: str) -> Any:
        return self._columns[name][self._row]

    def __getattr__(self, name: str) -> Any:
        """Say which columns there are: those that there are, are attributes of the class (`moving_view`)."""
        raise AttributeError(f"data has no {name}: it has {', '.join(self._names)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))


def moving_view(names: Sequence[str]) -> Data:
    """Give a view with an attribute for each name that can be one."""

    def attribute(name: str) -> property:
        return property(lambda self: self._columns[name][self._row])

    free = {name: attribute(name) for name in names if name.isidentifier() and not hasattr(Data, name)}
    return type("Data", (Data,), {"__slots__": (), **free})(names)  # type: ignore[no-any-return]
