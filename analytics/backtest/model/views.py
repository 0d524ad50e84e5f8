"""What a strategy receives of its account: it can read everything and change nothing.

The engine changes plain objects. A strategy receives views of them, because a write would put the account out of step
with its fills: the result would not be what the orders earn.
"""

from __future__ import annotations

import copy
from dataclasses import fields
from operator import attrgetter
from typing import Any, ClassVar, NoReturn, SupportsIndex, TypeVar

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class ReadOnlyError(Exception):
    """A strategy writes to its account."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is read-only: the engine changes the account, by the orders that a strategy returns")


class ReadOnlyDict(dict[K, V]):
    """A dict that the engine changes by `dict.update` and the like; reading it is as fast as reading a dict."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def _refuse(self, *arguments: Any, **keywords: Any) -> NoReturn:
        raise ReadOnlyError(f"portfolio.{self._name}")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Return a copy that can be changed."""
        return dict, (dict(self),)


class ReadOnlyList(list[T]):
    """A list to which the engine appends by `list.append`; reading it is as fast as reading a list."""

    __slots__ = ("_name",)

    def __init__(self, name: str, items: list[T] | None = None) -> None:
        super().__init__(items or ())
        self._name = name

    def _refuse(self, *arguments: Any, **keywords: Any) -> NoReturn:
        raise ReadOnlyError(f"portfolio.{self._name}")

    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = extend = insert = pop = remove = reverse = (
        sort
    ) = _refuse

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Return a copy that can be changed."""
        return list, (list(self),)


class View:
    """Shows the attributes of an object as they are now; `copy.copy` and `dataclasses.replace` return a copy."""

    __slots__ = ("_original",)
    _original: Any
    _kind: ClassVar[type]

    def __init__(self, original: Any) -> None:
        object.__setattr__(self, "_original", original)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise ReadOnlyError(f"{self._kind.__name__.lower()}.{name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise ReadOnlyError(f"{self._kind.__name__.lower()}.{name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self._original is other._original

    def __hash__(self) -> int:
        return id(self._original)

    def __repr__(self) -> str:
        return repr(self._original)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Return a copy of the original."""
        return copy.copy, (self._original,)


def view_class(kind: type, name: str, slots: tuple[str, ...] = ()) -> type[View]:
    """Return the class of views of a dataclass; `isinstance` takes a view for an object of the dataclass.

    Args:
        kind: the dataclass.
        name: the name of the new class.
        slots: attributes that the views store themselves; the others are read from the original.
    """
    names = {field.name for field in fields(kind)} | {name for name in vars(kind) if not name.startswith("_")}
    shown = {one: property(attrgetter(f"_original.{one}")) for one in names - set(slots)}
    body = {
        "__slots__": slots,
        "__class__": property(lambda self: kind),
        "__dataclass_fields__": kind.__dataclass_fields__,  # type: ignore[attr-defined]
        "_kind": kind,
        **shown,
    }
    return type(name, (View,), body)
