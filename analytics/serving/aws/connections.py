"""The open websockets: an item per connection, with the symbols that it has subscribed to.

API Gateway closes a connection after two hours, and so long is an item valid. DynamoDB deletes items hours after they
have expired, so that every read leaves out those that have.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

SECONDS = 7200
"""Maximum age of a connection, a quota of API Gateway."""
ALL = "*"
"""Subscribes to all symbols."""


@dataclass(frozen=True)
class Connection:
    """An open websocket."""

    name: str
    """API Gateway's identity of the connection."""
    key: str
    """The name of the caller's key."""
    symbols: frozenset[str]

    def wants(self, symbol: str) -> bool:
        """Return whether the bars of a symbol are to be sent."""
        return symbol in self.symbols or ALL in self.symbols


class Connections:
    """The table of the connections; `client` is one of DynamoDB."""

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def add(self, name: str, key: str, now: float | None = None) -> None:
        """Store a new connection, which has subscribed to nothing."""
        expires_at = int((time.time() if now is None else now) + SECONDS)
        item = {"connection": {"S": name}, "key": {"S": key}, "expires_at": {"N": str(expires_at)}}
        self._client.put_item(TableName=self._table, Item=item)

    def remove(self, name: str) -> None:
        """Delete a connection; nothing if it is not there."""
        self._client.delete_item(TableName=self._table, Key={"connection": {"S": name}})

    def change(self, name: str, action: str, symbols: Iterable[str]) -> list[str] | None:
        """Add symbols to a connection (action ADD), or remove them (DELETE).

        Return the symbols that it then has; None: there is no such connection any more.
        """
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"connection": {"S": name}},
                UpdateExpression=f"{action} symbols :symbols",
                ConditionExpression="expires_at > :now",
                ExpressionAttributeValues={
                    ":symbols": {"SS": sorted(set(symbols))},
                    ":now": {"N": str(int(time.time()))},
                },
                ReturnValues="ALL_NEW",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return sorted(_connection(answer["Attributes"]).symbols)

    def open(self) -> Iterator[Connection]:
        """Yield the connections that have not expired and have subscribed to a symbol."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "FilterExpression": "expires_at > :now AND attribute_exists(symbols)",
            "ExpressionAttributeValues": {":now": {"N": str(int(time.time()))}},
        }
        while request:
            answer = self._client.scan(**request)
            yield from map(_connection, answer["Items"])
            last = answer.get("LastEvaluatedKey")
            request = {**request, "ExclusiveStartKey": last} if last else {}


def _connection(item: dict[str, Any]) -> Connection:
    return Connection(item["connection"]["S"], item["key"]["S"], frozenset(item.get("symbols", {}).get("SS", ())))
