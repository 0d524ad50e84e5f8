"""Scopes: what a key may do, and which of them an address needs."""

from __future__ import annotations

SCOPES = ("read", "live", "paper", "run", "sql", "metrics")
"""Read the lake, receive live bars, see and step paper accounts, start backtests, send SQL, read the metrics."""
NEEDED = {
    "/v1/live": "live",
    "/v1/stream": "live",
    "/v1/tickets": "live",
    "/v1/ws": "live",
    "/v1/paper": "paper",
    "/paper": "paper",
    "/v1/runs": "run",
    "/runs": "run",
    "/v1/sql": "sql",
    "/metrics": "metrics",
}
"""The scope that an address and those below it need; any other needs `read`."""
OPEN = ("/health", "/login", "/assets")
"""What needs no key: a load balancer's question, and what a browser shows before there is one."""
ANY = ("/v1/openapi.json", "/v1/docs", "/logout")
"""What any key may ask for."""


def is_open(path: str) -> bool:
    """Return whether an address needs no key."""
    return _within(path, OPEN)


def needed(path: str) -> str | None:
    """Return the scope that an address needs; None: none. `/v1/@N/…` needs that of `/v1/…`."""
    if _within(path, (*OPEN, *ANY)):
        return None
    if path.startswith("/v1/@"):
        path = f"/v1/{path.removeprefix('/v1/@').partition('/')[2]}"
    return next((scope for address, scope in NEEDED.items() if _within(path, (address,))), "read")


def _within(path: str, addresses: tuple[str, ...]) -> bool:
    return any(path == address or path.startswith(f"{address}/") for address in addresses)
