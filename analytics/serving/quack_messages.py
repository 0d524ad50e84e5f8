"""Messages of DuckDB's Quack protocol, as far as the server looks at them: the header, one text, and errors.

A message is DuckDB's binary serialization: the number of a field in two bytes, then its value; lengths and integers are
LEB128; an object ends with ff ff. The header has the type (field 1) and the connection (field 2, if there is one); the
first field of the body is the key in a connection request, the SQL in a prepare request. All else passes as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from stockstream.sql.errors import StockStreamError

_END = 0xFFFF
_NO_QUERY = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
"""The number of the client's query in a message that has none: 2^64 - 1."""


class MessageError(StockStreamError):
    """The bytes are no message of the protocol."""


class Kind(IntEnum):
    """The messages that a reader sends, and the two answers to the first one."""

    CONNECT = 1
    CONNECTED = 2
    PREPARE = 3
    FETCH = 7
    DISCONNECT = 11
    ERROR = 100


@dataclass(frozen=True)
class Message:
    """What is read of a message."""

    kind: int
    connection: str
    """The number of the session; empty before there is one."""
    text: str
    """The key of a CONNECT, the SQL of a PREPARE, the reason of an ERROR; else empty."""


def parse(data: bytes) -> Message:
    """Return the header and the text of a message.

    Raises:
        MessageError: it is none.
    """
    try:
        reader = _Reader(data)
        kind, connection = 0, ""
        while (field := reader.field()) != _END:
            if field == 2:
                connection = reader.text()
            else:
                number = reader.integer()
                kind = number if field == 1 else kind
        text = ""
        if kind in (Kind.CONNECT, Kind.PREPARE, Kind.ERROR) and reader.field() == 1:
            text = reader.text()
    except (IndexError, UnicodeDecodeError):
        raise MessageError("no message of the Quack protocol, version 1") from None
    return Message(kind, connection, text)


def error(reason: str) -> bytes:
    """Return an answer that the client shows as an error."""
    text = reason.encode()
    header = b"\x01\x00" + _integer(Kind.ERROR) + b"\x03\x00" + _NO_QUERY + b"\xff\xff"
    return header + b"\x01\x00" + _integer(len(text)) + text + b"\xff\xff"


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def field(self) -> int:
        self._at += 2
        return self._data[self._at - 2] | self._data[self._at - 1] << 8

    def integer(self) -> int:
        number = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def text(self) -> str:
        length = self.integer()
        self._at += length
        if self._at > len(self._data):
            raise IndexError
        return self._data[self._at - length : self._at].decode()


def _integer(number: int) -> bytes:
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
