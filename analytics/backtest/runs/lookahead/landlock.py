"""Restrict the reading of files in a process by Landlock: a part of the Linux kernel that needs no privileges.

It also holds for code that is not Python, such as the readers of DuckDB, Arrow and Polars, and for child processes.
Reference: Documentation/userspace-api/landlock.rst in the kernel's sources.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on all architectures."""
VERSION_FLAG = 1
PATH_RULE = 1
READ_FILE = 1 << 2
CONNECT_TCP = 1 << 1
TCP_SINCE = 4
"""The first version of Landlock that can refuse connections."""
PR_SET_NO_NEW_PRIVS = 38
_libc: Any = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None


def version() -> int:
    """Return the kernel's version of Landlock; 0 if it has none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(_call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(VERSION_FLAG)), 0)


def allow_reading(paths: Iterable[Path]) -> bool:
    """Refuse this process to read files outside of some folders and files, and to connect to a server.

    Return False, and change nothing, if the system cannot do that. It cannot be undone.
    """
    if not (number := version()):
        return False
    rights = struct.pack("=QQ", READ_FILE, CONNECT_TCP) if number >= TCP_SINCE else struct.pack("=Q", READ_FILE)
    ruleset = _call(CREATE_RULESET, rights, ctypes.c_size_t(len(rights)), ctypes.c_uint32(0))
    if ruleset < 0:
        return False
    try:
        for path in paths:
            _allow(ruleset, path)
        if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            return False
        return _call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what does not exist cannot be read
    try:
        rule = struct.pack("=Qi", READ_FILE, file)
        _call(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(PATH_RULE), rule, ctypes.c_uint32(0))
    finally:
        os.close(file)


def _call(number: int, *arguments: object) -> int:
    return int(_libc.syscall(number, *arguments))
