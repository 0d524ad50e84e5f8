"""The file `.env` in the working directory: settings, but neither endpoints nor credentials unless they are asked for.

Whoever can write into a folder, such as the author of a repository that is tried out, could otherwise redirect requests
and the keys in them.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from stockstream.pipeline.errors import UsageError
from stockstream.sql.text import one_line

ENV_FILE = ".env"
TRUST = "STOCKSTREAM_TRUST_ENV_FILE"
"""The variable of the environment, not of `.env`, that lets `.env` set endpoints and credentials."""
_SENSITIVE = re.compile(
    r"_URLS?$|ENDPOINT|PROXY|KEY|SECRET|TOKEN|PROFILE|CREDENTIAL|CONFIG_FILE|ROLE_|CA_BUNDLE|CERT"
    r"|^STOCKSTREAM_TRUST_|^STOCKSTREAM_CACHE$",
    re.IGNORECASE,
)
"""Names of variables that decide where requests go, with which keys, and which file the views are read from."""
_OF_LIBRARIES = re.compile(r"^AWS_|^(HTTPS?|ALL|NO)_PROXY$|^(REQUESTS|CURL)_CA_BUNDLE$|^SSL_CERT", re.IGNORECASE)
"""Names that libraries read, from the environment only."""
_URL = re.compile(r"http://[^\s\"',\]]+", re.IGNORECASE)


def read_env_file() -> dict[str, str]:
    """Return the variables of `.env`; none if there is no such file.

    Raises:
        UsageError: the file cannot be read, is not UTF-8, or has a NUL.
    """
    try:
        values = (
            {name: value or "" for name, value in dotenv_values(ENV_FILE).items()} if Path(ENV_FILE).is_file() else {}
        )
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        reason = "it is not UTF-8" if isinstance(error, UnicodeError) else getattr(error, "strerror", None) or error
        raise UsageError(f"settings: cannot read {ENV_FILE} in the working directory: {reason}") from None
    if wrong := [name for name, value in values.items() if "\0" in name + value]:
        raise UsageError(f"settings: {one_line(wrong[0])} in {ENV_FILE} has a NUL")
    return values


def refuse_sensitive(names: Iterable[str]) -> None:
    """Check that `.env` sets none of these settings that decide where requests go, or with which keys.

    Variables of the environment have precedence, so that one in both is that of the environment.

    Raises:
        UsageError: it sets some, and is not trusted; or a URL is http:// to another machine.
    """
    values = {name.upper(): value for name, value in read_env_file().items() if value}
    here = {name.upper() for name, value in os.environ.items() if value}
    ours = [name for name in names if name in values and name not in here and _SENSITIVE.search(name)]
    if ours and not _is_trusted():
        raise UsageError(
            f"settings: {', '.join(ours)} cannot be set in {ENV_FILE} of the working directory: set it in the "
            f"environment, or set {TRUST}=1 there"
        )
    for name in ours:
        if any(not is_loopback(url) for url in _URL.findall(values[name])):
            raise UsageError(f"settings: {name} in {ENV_FILE} is http:// to another machine: write https://")


def without_effect(names: Iterable[str]) -> list[str]:
    """Return the variables of `.env` about endpoints and credentials that are no settings: nothing reads them there."""
    names_elsewhere = {name.upper() for name in (*names, *os.environ)}
    return sorted(
        name
        for name in read_env_file()
        if name.upper() not in names_elsewhere and _OF_LIBRARIES.search(name) and _SENSITIVE.search(name)
    )


def _is_trusted() -> bool:
    return os.environ.get(TRUST, "").lower() in ("1", "true", "yes", "on")


def is_loopback(url: str) -> bool:
    """Return whether a URL is that of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
