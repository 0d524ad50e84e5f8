"""Discovery of plug-ins: import a module by its name and return the class that it defines."""

from __future__ import annotations

import importlib
import inspect
from typing import TypeVar

from stockstream.sql.extras import naming_the_extra

T = TypeVar("T")


def class_in(module_name: str, base: type[T]) -> type[T]:
    """Import a module and return the subclass of `base` that it defines; one that it imports does not count.

    Raises:
        TypeError: it defines none, or several.
        MissingPackage: it imports a package that is not installed.
    """
    with naming_the_extra():
        module = importlib.import_module(module_name)
    members = (member for _, member in inspect.getmembers(module, inspect.isclass))
    classes = [member for member in members if issubclass(member, base) and member.__module__ == module.__name__]
    if len(classes) != 1:
        raise TypeError(f"{module_name} must define one subclass of {base.__name__}; it defines {len(classes)}")
    return classes[0]
