"""The form of a run: its fields, as the command line has them, and the order that is made of what was filled in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from stockstream.analytics.backtest.model import OPTIONS, Setup
from stockstream.analytics.backtest.runs.parameters import values_of
from stockstream.analytics.serving.backtests.strategies import Choice, Parameter
from stockstream.analytics.serving.generations import Served
from stockstream.analytics.serving.parameters import symbols_of
from stockstream.analytics.serving.problems import Problem
from stockstream.sql.errors import UsageError

SETTINGS = ("symbols", "start", "end", "initial_capital", "commission", "slippage", "benchmark")
"""The settings of a run that the form has; the others have their defaults."""
PARAMETER = "param."
"""What the name of a parameter's field begins with."""
MAX_TEXT = 2_000
"""Characters of a field."""
KINDS = {"start": "date", "end": "date"}


@dataclass
class Field:
    """A field of the form with its text, and what is wrong with it."""

    name: str
    label: str
    text: str
    kind: str
    """The type of the input: text, date; `choice`: true or false; `fixed`: it cannot be changed here."""
    help: str
    default: str
    is_required: bool = False
    error: str | None = None


@dataclass
class Form:
    """The form for a strategy, filled in."""

    choice: Choice
    settings: list[Field]
    parameters: list[Field]
    error: str | None = None
    """What is wrong with several fields together."""

    @property
    def fields(self) -> list[Field]:
        """All fields."""
        return [*self.parameters, *self.settings]

    @property
    def wrong(self) -> list[Field]:
        """The fields with an error."""
        return [field for field in self.fields if field.error]

    @property
    def address(self) -> str:
        """The query string of the form as it is filled in."""
        texts = [(field.name, field.text) for field in self.fields if field.text != field.default]
        return urlencode([("strategy", self.choice.name), *texts])

    def order(self, lake: str, generation: int) -> dict[str, Any]:
        """Return the order for a process; the form has been checked."""
        settings: dict[str, Any] = {field.name: field.text for field in self.settings if field.text}
        params = {
            one.name: values_of(one.default, one.name, field.text)[0]
            for one, field in zip(self.choice.parameters, self.parameters, strict=True)
            if field.text != field.default and field.kind != "fixed"
        }
        return {
            "strategy": self.choice.argument,
            "params": params,
            "settings": settings,
            "lake": lake,
            "generation": str(generation),
        }


def form_of(choice: Choice, items: Iterable[tuple[str, str]]) -> Form:
    """Return the form of a strategy with the texts of a request; a field that it does not name has its default.

    Raises:
        Problem: there is no such field, or it is there twice, or its text is too long (422).
    """
    texts: dict[str, str] = {}
    for name, text in items:
        if name in texts:
            raise Problem(422, f"{name} is there twice", parameter=name)
        if len(text) > MAX_TEXT:
            raise Problem(422, f"{name}: it has more than {MAX_TEXT:,} characters", parameter=name)
        texts[name] = text.strip()
    parameters = [_parameter(one) for one in choice.parameters]
    settings = [_setting(name) for name in SETTINGS]
    fields = {field.name: field for field in (*parameters, *settings)}
    for name in texts.keys() - fields.keys() - {"strategy"}:
        raise Problem(422, f"{name}: there is no such field", parameter=name)
    for field in fields.values():
        if field.kind != "fixed":
            field.text = texts.get(field.name, field.default)
    return Form(choice, settings, parameters)


def check(form: Form, served: Served) -> None:
    """Note what is wrong with the fields of a form."""
    for one, field in zip(form.choice.parameters, form.parameters, strict=True):
        field.error = _wrong_parameter(one, field)
    for field in form.settings:
        field.error = _wrong_setting(field, served) if field.text else None
    if not form.wrong:
        try:
            Setup.of(**{field.name: field.text for field in form.settings if field.text})
        except UsageError as error:
            form.error = str(error)


def _setting(name: str) -> Field:
    field, option = Setup.model_fields[name], OPTIONS[name]
    default = "" if field.default is None else f"{field.default:g}" if type(field.default) is float else field.default
    text = (field.description or "").split(": ", 1)[-1] if name in ("start", "end") else field.description or ""
    suffix = f" Default: {option.default}." if option.default else ""
    label = name.replace("_", " ").capitalize()
    return Field(name, label, str(default), KINDS.get(name, "text"), text.split("; or a function")[0] + suffix,
                 str(default))  # fmt: skip


def _parameter(one: Parameter) -> Field:
    kind = "fixed" if not one.is_plain else "choice" if isinstance(one.default, bool) else "text"
    text = "" if one.is_required or one.default is None else str(one.default)
    text = text.lower() if isinstance(one.default, bool) else text
    default = "" if one.is_required else "no value" if one.default is None else text
    return Field(f"{PARAMETER}{one.name}", one.name, text, kind, default and f"Default: {default}.", text,
                 one.is_required)  # fmt: skip


def _wrong_parameter(one: Parameter, field: Field) -> str | None:
    if field.kind == "fixed" or (field.text == field.default and not one.is_required):
        return None
    if not field.text:
        return "write a value"
    try:
        values = values_of(one.default, one.name, field.text)
    except UsageError as error:
        return _without(str(error), f"--param {one.name}={field.text}: ")
    return None if len(values) == 1 else "write one value: searches are for the command line"


def _wrong_setting(field: Field, served: Served) -> str | None:
    try:
        if field.name in ("symbols", "benchmark"):
            names = symbols_of(field.text, served.symbols)
            if field.name == "benchmark" and len(names) != 1:
                return "name one symbol"
        if field.name in ("commission", "slippage") and ".py" in field.text:
            return "a function of a file is for the command line"
        Setup.of(**{field.name: field.text})
    except Problem as problem:
        return _without(problem.detail, "symbols: ")
    except UsageError as error:
        return _without(str(error), f"{field.name}: ")
    return None


def _without(text: str, beginning: str) -> str:
    text = text.removeprefix(beginning)
    return text[:1].lower() + text[1:]
