"""A YAML file with the lines of its keys, so that messages can name them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

_BOOL = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """YAML whose only booleans are true and false: `accepted_values: [yes, no]` are texts, as in YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|false)$"), ["t", "f"])


class Document:
    """The value of a YAML file, which is a mapping, and the line of each key.

    Raises:
        yaml.YAMLError: the text is not YAML.
        ValueError: it is not a mapping, or has a key twice.
    """

    def __init__(self, text: str) -> None:
        self._root = yaml.compose(text, Loader=_Loader)
        self.value: dict[str, Any] = yaml.load(text, Loader=_Loader)
        if not isinstance(self.value, dict):
            raise ValueError("it is empty, or no mapping: write `tables:`, and below it the names of tables")
        if self._root is not None:
            _refuse_duplicates(self._root)

    def at(self, place: Iterable[str | int]) -> Any:
        """Return the value at a place."""
        value: Any = self.value
        for part in place:
            value = value[part]
        return value

    def line(self, *place: str | int) -> int:
        """Return the line of the last key of a place that exists."""
        node, line = self._root, 1
        for part in place:
            if isinstance(node, yaml.MappingNode):
                pairs = {key.value: (key, value) for key, value in node.value}
                if part not in pairs:
                    break
                key, node = pairs[part]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                break
        return line


def _refuse_duplicates(node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            if key.value in names:
                raise ValueError(f"line {key.start_mark.line + 1}: {key.value} is there twice")
            names.add(key.value)
            _refuse_duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(value)


def as_list(value: object) -> object:
    """Return a list for a single name, so that both `columns: close` and `columns: [close]` are accepted."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value
