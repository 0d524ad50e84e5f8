"""The description of the interface is OpenAPI 3.1, and says what is answered."""

from __future__ import annotations

import html
import json
import re
import subprocess
from typing import Any

import pytest

from tests.analytics.serving.server import Server

EXAMPLES = {
    "/v1/bars": "/v1/bars?limit=2",
    "/v1/bars/{symbol}": "/v1/bars/IBM?limit=2&timeframe=weekly",
    "/v1/indicators/{symbol}": "/v1/indicators/IBM?limit=2",
    "/v1/signals": "/v1/signals?date=2013-03-01",
    "/v1/screen": "/v1/screen?where=close>100,rsi_14<70&order=-close",
    "/v1/symbols": "/v1/symbols",
    "/v1/symbols/{symbol}": "/v1/symbols/IBM",
    "/v1/actions": "/v1/actions?limit=2",
    "/v1/paper": "/v1/paper",
    "/v1/status": "/v1/status",
    "/v1/checks": "/v1/checks",
    "/v1/history": "/v1/history",
    "/health": "/health",
}
OF_A_FOLDER = {"/v1/backtests": "/v1/backtests", "/v1/backtests/{id}": "/v1/backtests/mine%20%26%20yours"}
"""The paths that need --backtests: `test_backtests.py` tests them."""


LIVE = ("/v1/live", "/v1/stream", "/v1/ws")


@pytest.fixture(scope="module")
def description(server: Server) -> Any:
    return server.json("/v1/openapi.json")


def test_every_path_has_an_example_here(description: Any) -> None:
    paths = {path for path, item in description["paths"].items() if "{generation}" not in path and "get" in item}
    # No account is on this lake (test_paper.py), and this server does not stream (test_live.py).
    assert paths == {*EXAMPLES, *OF_A_FOLDER, "/v1/paper/{name}", *LIVE}
    assert "post" in description["paths"]["/v1/sql"]


def test_the_page_documents_every_endpoint(server: Server, description: Any) -> None:
    page = server.get("/v1/docs", "text/html").text
    for path, item in description["paths"].items():
        if "{generation}" not in path:
            [method] = item
            assert f"<code>{method.upper()} {path}</code>" in page
            for parameter in item[method].get("parameters", []):
                assert f"<code>{parameter['name']}</code>" in page
    lines = [html.unescape(line) for line in re.findall("<code>(curl [^<]*)</code>", page)]
    assert len(lines) == len(EXAMPLES) + len(OF_A_FOLDER) + 1 + len(LIVE)
    for line in lines:
        if any(path in line for path in ("/v1/backtests", "/v1/paper/", "/v1/tickets", *LIVE)):
            continue
        ended = subprocess.run(["bash", "-c", f"{line} -sSf"], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, (line, ended.stderr)
        assert json.loads(ended.stdout)


def test_a_live_bar_has_the_columns_of_its_description(live: Server) -> None:
    components = live.json("/v1/openapi.json")["components"]
    [row] = live.json("/v1/live?symbols=IBM")["bars"]
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator({**components["schemas"]["LiveBar"], "components": components}).validate(row)
    assert [*row] == [*components["schemas"]["LiveBar"]["properties"]]


@pytest.mark.parametrize("path", EXAMPLES)
def test_an_answer_has_the_form_of_its_description(server: Server, description: Any, path: str) -> None:
    check_form(server, description, path, EXAMPLES[path])


def check_form(server: Server, description: Any, path: str, address: str) -> None:
    """Check that the answer of an address has the form that the description has for a path."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = description["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": description["components"], "additionalProperties": True}
    answer = server.json(address)
    jsonschema.Draft202012Validator(whole).validate(answer)
    for name, rows in answer.items():
        if isinstance(rows, list) and rows and name in schema.get("properties", {}):
            options = schema["properties"][name]["items"].get("anyOf", [])
            columns = [
                {*description["components"]["schemas"][one["$ref"].rsplit("/", 1)[1]]["properties"]}
                for one in options
                if "$ref" in one
            ]
            assert not columns or {*rows[0]} in columns


def test_an_error_has_the_form_of_its_description(server: Server, description: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = {"$ref": "#/components/schemas/ProblemDetails", "components": description["components"]}
    jsonschema.Draft202012Validator(schema).validate(server.get("/v1/bars?x=1").json())
