"""A lease: an object in the store that says which process may do something, such as hold the vendor's connection.

Two processes with one key throw each other out at the vendor for ever. The holder renews the lease. One that has not
been renewed for `EXPIRY`, by the store's clock, was left by a process that died, and another process may take it.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from datetime import timedelta

from stockstream.pipeline.errors import Conflict, LakeError
from stockstream.pipeline.store import Store, Stored

EXPIRY = timedelta(seconds=30)
RENEWAL = 10.0
"""Seconds between two renewals."""


class LeaseTakenError(LakeError):
    """Another process has the lease."""


class Lease:
    """A lease on `what`; its object is at a key. `acquire` it, `renew` it every `RENEWAL`, `release` it at the end."""

    def __init__(self, store: Store, key: str, what: str) -> None:
        self._store, self._key, self._what = store, key, what
        self._id = secrets.token_hex(8)
        self._renewals = 0
        self._stored: Stored | None = None

    def acquire(self) -> None:
        """Take the lease.

        Raises:
            LeaseTakenError: another process has it.
        """
        present = self._store.get(self._key)
        if present is not None:
            folder = self._key.rsplit("/", 1)[0] + "/"
            listed = self._store.list(folder).get(self._key)
            if listed is not None and listed.age < EXPIRY and not _is_dead(present):
                raise self._taken(present)
        self._put(present)

    def renew(self) -> None:
        """Keep the lease.

        Raises:
            LeaseTakenError: another process has taken it, because this one did not renew it in time.
        """
        self._put(self._stored)

    def release(self) -> None:
        """End the lease; nothing if this process does not have it."""
        if self._stored is not None:
            self._store.delete([self._key])
            self._stored = None

    def _put(self, replaces: Stored | None) -> None:
        self._renewals += 1
        content = {"host": socket.gethostname(), "process": os.getpid(), "id": self._id, "renewals": self._renewals}
        try:
            self._store.put(self._key, json.dumps(content).encode(), replaces=replaces)
        except Conflict:
            self._stored = None
            raise self._taken(self._store.get(self._key)) from None
        self._stored = self._store.get(self._key)
        if self._stored is None or json.loads(self._stored.data).get("id") != self._id:
            self._stored = None
            raise self._taken(self._store.get(self._key))

    def _taken(self, present: Stored | None) -> LeaseTakenError:
        host, process = _holder(present) if present else ("", 0)
        holder = f"{host} process {process}" if host else "another process"
        return LeaseTakenError(
            f"{holder} has {self._what}: stop it, or wait {EXPIRY.total_seconds():g} s after its death"
        )


def _holder(lease: Stored) -> tuple[str, int]:
    """Return the host and the number of the process that has a lease; empty and 0 if the object is damaged."""
    try:
        content = json.loads(lease.data)
        return str(content["host"]), int(content["process"])
    except (ValueError, KeyError, TypeError):
        return "", 0


def _is_dead(lease: Stored) -> bool:
    """Return whether the process that has a lease was one of this machine and no longer runs."""
    host, process = _holder(lease)
    if host != socket.gethostname() or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
