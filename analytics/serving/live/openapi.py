"""The description of live bars in OpenAPI, by path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from stockstream.analytics.serving import parameters
from stockstream.analytics.serving.formats import FORMATS
from stockstream.analytics.serving.live.listening import MAX_SYMBOLS
from stockstream.analytics.serving.live.subscriber import HEARTBEAT, STALLED
from stockstream.analytics.serving.tickets import SECONDS

EVENTS = (
    "`status`: what the source does; it comes first. `bar`: the newest state of a live bar (columns of /v1/live; `at` "
    "in milliseconds since 1970), at most one per symbol and message. `alert`: an alert about one of the symbols, or "
    "any if none is named. `generation`: a new generation is served. "
)
STREAM = (
    f"{EVENTS}A comment every {HEARTBEAT:.0f} s is a heartbeat. After a reconnect the newest states come first, and "
    f"the alerts since `Last-Event-ID`; states between are not repeated. A reader that reads nothing for "
    f"{STALLED:.0f} s is closed. At most {MAX_SYMBOLS} symbols."
)
SOCKET = (
    'A websocket. Send {"action": "subscribe", "symbols": ["BHP"]}, unsubscribe, or {"action": "ping"}. A message is a '
    f'list of {{"event": …, "data": …}}. {EVENTS}`subscribed`, `pong` and `error` answer what was sent.'
)
PATHS = ("/v1/live", "/v1/stream", "/v1/tickets", "/v1/ws")
NO_LIVE = {404: "No such symbol, or a server without --live", 409: "No session is streamed yet"}
LIMITS = {429: "Too many streams of this caller, or too many requests", 503: "Too many streams"}


def described(
    ref: str,
    parameters_of: Callable[[type[parameters.Query]], Iterable[dict[str, Any]]],
    problems: Callable[[dict[int, str]], dict[str, Any]],
    general: dict[int, str],
) -> dict[str, Any]:
    """Return the paths; `ref` is the reference to a type, `general` the problems of all requests."""
    door = {code: general[code] for code in (401, 403, 421, 422, 429)}

    def operation(
        name: str, summary: str, query: type[parameters.Query] | None, ok: dict[str, Any], **more: Any
    ) -> Any:
        listed = list(parameters_of(query)) if query else []
        return {"operationId": name, "summary": summary, "parameters": listed, "responses": ok, **more}

    rows = {
        "type": "object",
        "properties": {"bars": {"type": "array", "items": {"anyOf": [{"$ref": ref.format(name="LiveBar")}]}}},
        "required": ["bars"],
    }
    formats = {media: {"schema": rows if media == "application/json" else {}} for media in FORMATS}
    ticket = {"schema": {"$ref": ref.format(name="Ticket")}}
    header = {"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"}}
    stream = operation(
        "stream",
        "live bars and alerts as they change, as server-sent events",
        parameters.Stream,
        {
            "200": {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **problems({**door, 404: NO_LIVE[404], **LIMITS}),
        },
        description=STREAM,
    )
    stream["parameters"].append(header)
    return {
        "/v1/live": {
            "get": operation(
                "live",
                "the newest live bars of some symbols, or of all",
                parameters.Live,
                {
                    "200": {"description": "The rows, in the format of Accept", "content": formats},
                    **problems({**door, 406: general[406], **NO_LIVE}),
                },
            )
        },
        "/v1/stream": {"get": stream},
        "/v1/ws": {
            "get": operation(
                "websocket",
                "live bars and alerts as they change, over a websocket",
                parameters.Stream,
                {
                    "101": {"description": "The websocket is open"},
                    "400": {"description": "The request does not ask for a websocket"},
                    **problems({**door, 404: NO_LIVE[404], **LIMITS}),
                },
                description=SOCKET,
            )
        },
        "/v1/tickets": {
            "post": operation(
                "ticket",
                f"a ticket that opens one stream (`?ticket=`) within {SECONDS} seconds",
                None,
                {
                    "200": {"description": "The ticket", "content": {"application/json": ticket}},
                    **problems({code: door[code] for code in (401, 403, 421, 429)} | {404: NO_LIVE[404]}),
                },
            )
        },
    }
