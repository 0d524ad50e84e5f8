"""The page `/v1/docs`: the OpenAPI document for people, with an example of each endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from stockstream.analytics.serving.formats import FORMATS
from stockstream.analytics.serving.generations import Generations
from stockstream.analytics.serving.keys import ANYBODY
from stockstream.analytics.serving.pages.rendering import page
from stockstream.analytics.serving.scopes import needed

JSON = "application/json"
LIMIT = 3
"""Rows of the examples."""


@dataclass(frozen=True)
class Operation:
    """An endpoint as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    scope: str | None
    parameters: list[Mapping[str, Any]]
    """Each with `name`, `type`, `default` and `description`."""
    rows: list[tuple[str, list[Mapping[str, Any]]]]
    """The kinds of rows, each with its columns: `name`, `type` and `description`."""
    is_paged: bool
    curl: str
    python: str


def handler(generations: Generations, description: Callable[[Request], dict[str, Any]]) -> Any:
    """Return the function that answers requests for the page; `description` returns the OpenAPI document."""

    async def shown(request: Request) -> Response:
        document = description(request)
        address = f"{request.url.scheme}://{request.url.netloc}"
        symbol = min(generations.newest.symbols, default="SYMBOL")
        examples = _Examples(address, symbol, request.state.key is not ANYBODY)
        return page(
            "docs.html.jinja",
            request,
            "Documentation of /v1",
            operations=list(_operations(document, examples)),
            formats=list(FORMATS),
            problems=_problems(document),
            version=document["info"]["version"],
            address=address,
        )

    return shown


@dataclass(frozen=True)
class _Examples:
    address: str
    symbol: str
    has_keys: bool

    def of(self, method: str, path: str, fields: Mapping[str, str]) -> tuple[str, str]:
        """Return a request with curl and with Python."""
        url = self.address + path.replace("{symbol}", self.symbol)
        header = "-H 'X-API-Key: KEY' " if self.has_keys or method == "POST" else ""
        key = ', headers={"X-API-Key": "KEY"}' if header else ""
        if method == "POST":
            data = " ".join(f'--data-urlencode "{name}={value}"' for name, value in fields.items())
            return f"curl {header}'{url}' {data}", _python("post", url, f", data={dict(fields)}{key}")
        query = f"?{urlencode(fields, safe=',<>')}" if fields else ""
        return f"curl {header}'{url}{query}'", _python("get", url + query, key)


def _python(method: str, url: str, more: str) -> str:
    return f'import requests\n\nrequests.{method}("{url}"{more}).json()'


def _operations(document: Mapping[str, Any], examples: _Examples) -> Iterable[Operation]:
    for path, item in document["paths"].items():
        if "{generation}" in path:
            continue
        for method, one in item.items():
            parameters = [_parameter(parameter) for parameter in one.get("parameters", [])]
            form = one.get("requestBody", {}).get("content", {})
            for content in form.values():
                parameters += _columns(document, content["schema"])
            fields = {field["name"]: str(field["example"]) for field in parameters if field["example"]}
            names = {field["name"] for field in parameters}
            if "limit" in names:
                fields["limit"] = str(LIMIT)
            fields.pop("symbols", None)
            curl, python = examples.of(method.upper(), path, fields)
            schema = one["responses"]["200"]["content"][JSON]["schema"]
            yield Operation(
                one["operationId"],
                method.upper(),
                path,
                one["summary"],
                needed(path),
                parameters,
                list(_rows(document, schema)),
                "page_token" in names,
                curl,
                python,
            )


def _parameter(parameter: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**_column(parameter["name"], parameter["schema"]), "description": parameter.get("description", "")}


def _rows(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterable[tuple[str, list[Mapping[str, Any]]]]:
    """Return the kinds of rows of an answer; the document itself, if it has none."""
    lists = [one["items"] for one in schema.get("properties", {}).values() if one.get("type") == "array"]
    for kind in [option for items in lists for option in items.get("anyOf", [items])] or [schema]:
        resolved = _resolved(document, kind)
        yield resolved.get("description", ""), _columns(document, kind)


def _columns(document: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [_column(name, one) for name, one in _resolved(document, schema).get("properties", {}).items()]


def _column(name: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    options = schema.get("anyOf", [schema])
    description = next((one["description"] for one in (schema, *options) if "description" in one), "")
    example = next((one["examples"][0] for one in (schema, *options) if one.get("examples")), None)
    default = schema.get("default")
    return {
        "name": name,
        "type": " or ".join(_type(one) for one in options),
        "default": "" if default is None else str(default),
        "description": description,
        "example": example,
    }


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    kind = schema.get("format") or schema.get("type", "object")
    kinds = kind if isinstance(kind, str) else " or ".join(kind)
    limits = [f"{word} {schema[key]:,}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    return " ".join([kinds, *limits])


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    return document["components"]["schemas"][name] if name else schema


def _problems(document: Mapping[str, Any]) -> dict[str, str]:
    """Return what each status of an error means."""
    texts = {
        status: response["description"]
        for item in document["paths"].values()
        for one in item.values()
        for status, response in one["responses"].items()
        if status >= "400"
    }
    return dict(sorted(texts.items()))
