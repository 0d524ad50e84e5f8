"""API Gateway on loopback: an HTTP and a websocket server in front of the functions, as Terraform has configured it.

    with Gateway(aws) as gateway:
        requests.get(gateway.url + "/v1/bars/IBM", headers={"Authorization": "Bearer …"})
        websockets.sync.client.connect(gateway.socket_url, additional_headers={…})

moto has no data plane of API Gateway, and answers 200 when something is sent to a connection that does not exist: here
it is 410. References: API Gateway Developer Guide, "Working with AWS Lambda proxy integrations for HTTP APIs" (payload
2.0), "Invoke a WebSocket API", "Use @connections commands in your backend service".
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

from moto.apigatewaymanagementapi.models import ApiGatewayManagementApiBackend
from moto.core.exceptions import JsonRESTError
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tests.aws.mapping import PATIENT
from tests.aws.server import LoopbackAws


class GoneException(JsonRESTError):
    """There is no such connection."""

    code = 410

    def __init__(self) -> None:
        super().__init__("GoneException", "")


class Gateway:
    """Both APIs of a deployment, running inside `with`."""

    def __init__(self, aws: LoopbackAws) -> None:
        client = aws.client("apigatewayv2")
        apis = {api["ProtocolType"]: api for api in client.get_apis()["Items"]}
        self._lambda = aws.client("lambda", config=PATIENT)
        self._functions = {
            (kind, route["RouteKey"]): _function(client, api["ApiId"], route["Target"])
            for kind, api in apis.items()
            for route in client.get_routes(ApiId=api["ApiId"])["Items"]
        }
        self.host = urlsplit(apis["HTTP"]["ApiEndpoint"]).netloc
        """The domain of the HTTP API, which is the header Host of its requests."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"gateway": self}))
        self._sockets = serve(self._socket, "127.0.0.1", 0, process_request=self._connect)
        self.connections: dict[str, ServerConnection] = {}
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.socket_url = f"ws://127.0.0.1:{self._sockets.socket.getsockname()[1]}"
        # Of the address for the functions, moto is asked.
        self._patch = patch.object(
            ApiGatewayManagementApiBackend,
            "post_to_connection",
            lambda _, data, connection_id: self._post(connection_id, data),
        )

    def __enter__(self) -> Gateway:
        for server in (self._http, self._sockets):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self._patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.stop()
        self._http.shutdown()
        self._sockets.shutdown()

    def invoke(self, kind: str, route: str, event: dict[str, Any]) -> dict[str, Any]:
        """Return what the function of a route answers; an error of the function is a 500, as there."""
        answer = self._lambda.invoke(FunctionName=self._functions[kind, route], Payload=json.dumps(event))
        body = json.loads(answer["Payload"].read())
        return {"statusCode": 500, "body": "Internal Server Error"} if "FunctionError" in answer else body

    def request(self, method: str, target: str, headers: dict[str, str], body: bytes, client: str) -> dict[str, Any]:
        """Return the answer to an HTTP request."""
        path, _, query = target.partition("?")
        http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": client, "userAgent": "test"}
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {**{name.lower(): value for name, value in headers.items()}, "host": self.host},
            "requestContext": {"http": http, "stage": "$default", "requestId": str(uuid.uuid4()), **_times()},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        return self.invoke("HTTP", "$default", event)

    def _connect(self, connection: ServerConnection, request: Request) -> Response | None:
        name = uuid.uuid4().hex
        connection.name = name  # type: ignore[attr-defined]
        headers = dict(request.headers.raw_items())
        query = dict(parse_qsl(urlsplit(request.path).query))
        more = {"headers": headers, "queryStringParameters": query or None}
        answer = self.invoke("WEBSOCKET", "$connect", _socket_event(name, "$connect", **more))
        if answer["statusCode"] == 200:
            self.connections[name] = connection
            return None
        # API Gateway hides what the function says.
        return Response(answer["statusCode"], "Refused", Headers({"Content-Length": "0"}), b"")

    def _socket(self, connection: ServerConnection) -> None:
        name: str = connection.name  # type: ignore[attr-defined]
        try:
            for message in connection:
                text = message if isinstance(message, str) else message.decode()
                answer = self.invoke("WEBSOCKET", "$default", _socket_event(name, "$default", body=text))
                if answer.get("body"):  # there is a route response
                    connection.send(answer["body"])
        except ConnectionClosed:
            pass
        finally:
            del self.connections[name]
            self.invoke("WEBSOCKET", "$disconnect", _socket_event(name, "$disconnect"))

    def _post(self, name: str, data: bytes) -> None:
        if (connection := self.connections.get(name)) is None:
            raise GoneException
        connection.send(data.decode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gateway: Gateway

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.gateway.request(self.command, self.path, dict(self.headers), body, self.client_address[0])
        data = answer.get("body") or ""
        content = base64.b64decode(data) if answer.get("isBase64Encoded") else data.encode()
        self.send_response(answer["statusCode"])
        for name, value in (answer.get("headers") or {}).items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def _function(client: Any, api: str, target: str) -> str:
    """Return the ARN of the function behind the target of a route."""
    uri: str = client.get_integration(ApiId=api, IntegrationId=target.rpartition("/")[2])["IntegrationUri"]
    return uri.partition("/functions/")[2].removesuffix("/invocations")


def _socket_event(name: str, route: str, **more: Any) -> dict[str, Any]:
    kinds = {"$connect": "CONNECT", "$disconnect": "DISCONNECT"}
    context = {"connectionId": name, "routeKey": route, "eventType": kinds.get(route, "MESSAGE"), "stage": "live"}
    return {"requestContext": {**context, "requestId": str(uuid.uuid4()), **_times()}, "isBase64Encoded": False, **more}


def _times() -> dict[str, Any]:
    return {"time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()), "timeEpoch": int(1000 * time.time())}
