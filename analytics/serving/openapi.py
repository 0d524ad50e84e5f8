"""The description of the interface in OpenAPI 3.1, made of the endpoints, their parameters and their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from stockstream.analytics.serving import documents, models, paper
from stockstream.analytics.serving.answers import Endpoint
from stockstream.analytics.serving.backtests import answers as backtests
from stockstream.analytics.serving.backtests.answers import FolderEndpoint
from stockstream.analytics.serving.bodies import FORM
from stockstream.analytics.serving.endpoints import ENDPOINTS
from stockstream.analytics.serving.formats import FORMATS
from stockstream.analytics.serving.live import openapi as live_openapi
from stockstream.analytics.serving.parameters import Paged, Query, Sql

REF = "#/components/schemas/{name}"
SQL = "/v1/sql"
PROBLEMS = {
    400: "The request is no HTTP request that the server understands",
    401: "No key, or an unknown one",
    403: "The key lacks the scope, or a page of another site has sent the request",
    404: "No such symbol, generation, backtest, account or address",
    406: "None of the formats in Accept",
    409: "The files of the backtest are damaged",
    410: "The generation is served no more",
    413: "The answer is too large",
    414: "The address is too long",
    421: "The header Host names another server",
    422: "A parameter is unknown or wrong; `parameter` names it",
    429: "Too many requests; Retry-After has the seconds",
    431: "The headers are too long",
    503: "The lake cannot be read at the moment",
}


FORM_PROBLEMS = {
    408: "The form did not arrive in time",
    413: "The form is too long, or the query needs too much memory",
}
ANY = (400, 401, 403, 414, 421, 429, 431)
"""Problems of any request."""


def description(version: str, has_sql: bool = False) -> dict[str, Any]:
    """Return the OpenAPI document; `version` is that of the program, `has_sql` whether callers may send SQL."""
    rows = {row for endpoint in (*ENDPOINTS, *backtests.ENDPOINTS) for row in endpoint.rows if row is not dict}
    fixed = documents.DOCUMENTS | paper.DOCUMENTS
    types = [*rows, *(kind for _, kind in fixed.values()), *models.OTHERS]
    _, components = msgspec.json.schema_components(sorted(types, key=lambda kind: kind.__name__), ref_template=REF)
    paths = {path: {"get": _document(path, *entry)} for path, entry in fixed.items()}
    for endpoint in ENDPOINTS:
        paths[f"/v1{endpoint.path}"] = {"get": _endpoint(endpoint, False)}
        paths[f"/v1/@{{generation}}{endpoint.path}"] = {"get": _endpoint(endpoint, True)}
    if has_sql:
        paths[SQL] = {"post": _sql(False)}
        paths[SQL.replace("/v1", "/v1/@{generation}")] = {"post": _sql(True)}
    for folder in backtests.ENDPOINTS:
        paths[f"/v1{folder.path}"] = {"get": _endpoint(folder, False)}
    paths |= live_openapi.described(REF, _parameters, _problems, PROBLEMS)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stock Stream", "version": version, "description": (__doc__ or "").strip()},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
        "security": [{}, {"key": []}, {"header": []}],
    }


def _endpoint(endpoint: Endpoint | FolderEndpoint, is_pinned: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"anyOf": [_row(kind) for kind in endpoint.rows]}
    properties: dict[str, Any] = {endpoint.name: {"type": "array", "items": row}} if endpoint.name else {}
    if isinstance(endpoint, Endpoint):
        properties["generation"] = {"type": "integer"}
    if issubclass(endpoint.query, Paged):
        properties["next_page_token"] = {"type": ["string", "null"]}
    answer = {"type": "object", "properties": properties, "required": sorted(properties)}
    content = {media: {"schema": answer if media == "application/json" else {}} for media in FORMATS}
    path = [_in_path("generation", {"type": "integer", "minimum": 1})] if is_pinned else []
    path += [_in_path(name, {"type": "string"}) for name in ("symbol", "id") if f"{{{name}}}" in endpoint.path]
    summary = (endpoint.work.__doc__ or "").split("\n")[0]
    return {
        "operationId": f"{endpoint.work.__name__}{'_of_generation' if is_pinned else ''}",
        "summary": summary.removeprefix("Return ").rstrip("."),
        "parameters": [*path, *_parameters(endpoint.query)],
        "responses": {
            "200": {"description": "The rows, in the format of Accept", "content": content},
            "304": {"description": "The ETag in If-None-Match is the present one"},
            **_problems(PROBLEMS),
        },
    }


def _sql(is_pinned: bool) -> dict[str, Any]:
    (_,), components = msgspec.json.schema_components([Sql], ref_template=REF)
    properties = {"rows": {"type": "array", "items": {"type": "object"}}}
    properties |= {"is_truncated": {"type": "boolean"}, "generation": {"type": "integer"}}
    answer = {"type": "object", "properties": properties, "required": sorted(properties)}
    content = {media: {"schema": answer if media == "application/json" else {}} for media in FORMATS}
    problems = {code: text for code, text in (PROBLEMS | FORM_PROBLEMS).items() if code in (*ANY, *FORM_PROBLEMS, 404)}
    return {
        "operationId": f"sql{'_of_generation' if is_pinned else ''}",
        "summary": "The rows of a SELECT; is_truncated, or the header X-Truncated, says whether there are more",
        "parameters": [_in_path("generation", {"type": "integer", "minimum": 1})] if is_pinned else [],
        "requestBody": {"required": True, "content": {FORM: {"schema": components[Sql.__name__]}}},
        "responses": {
            "200": {"description": "The rows, in the format of Accept", "content": content},
            **_problems(problems | {code: PROBLEMS[code] for code in (406, 410, 422, 503)}),
        },
        "security": [{"key": []}, {"header": []}],
    }


def _document(path: str, work: Callable[..., Any], kind: type) -> dict[str, Any]:
    schema = {"$ref": REF.format(name=kind.__name__)}
    has_name = "{name}" in path
    codes = (*ANY, *((404,) if has_name else ()), 503)
    return {
        "operationId": work.__name__,
        "summary": (work.__doc__ or "").split("\n")[0].removeprefix("Return ").rstrip("."),
        "parameters": [_in_path("name", {"type": "string"})] if has_name else [],
        "responses": {
            "200": {"description": kind.__doc__, "content": {"application/json": {"schema": schema}}},
            "304": {"description": "The ETag in If-None-Match is the present one"},
            **_problems({code: text for code, text in PROBLEMS.items() if code in codes}),
        },
    }


def _row(kind: type) -> dict[str, Any]:
    return {"type": "object"} if kind is dict else {"$ref": REF.format(name=kind.__name__)}


def _in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _parameters(query: type[Query]) -> Iterable[dict[str, Any]]:
    """Return the parameters of a query string, from the fields of their struct."""
    (_,), components = msgspec.json.schema_components([query], ref_template=REF)
    properties: Mapping[str, dict[str, Any]] = components[query.__name__].get("properties", {})
    for name, schema in properties.items():
        present = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
        plain = present[0] if len(present) == 1 else {"anyOf": present}
        plain = {key: value for key, value in plain.items() if key != "description"}
        if schema.get("default") is not None:
            plain["default"] = schema["default"]
        text = next((one["description"] for one in (schema, *present) if "description" in one), "")
        yield {"name": name, "in": "query", "required": False, "schema": plain, "description": text}


def _problems(codes: Mapping[int, str]) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": REF.format(name="ProblemDetails")}}}
    return {str(code): {"description": text, "content": content} for code, text in codes.items()}
