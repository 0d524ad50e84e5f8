"""Run the command line in this process, as a tenth of the time of a new one suffices for it."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from typing import Any

from stockstream.analytics.cli import main
from tests.kill_at import Ended


def command(*argv: str) -> Ended:
    """Run a command; return its exit code and output. A traceback is part of `err`, as in a process of its own."""
    with contextlib.ExitStack() as stack:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("always")
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        before, sys.argv = sys.argv, ["stockstream", *argv]
        stack.callback(setattr, sys, "argv", before)
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        except Exception:
            import traceback

            code = 1
            traceback.print_exc()
    return Ended(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]


def answer(ended: Ended) -> Any:
    """Return the JSON that a command has printed; None if it printed none."""
    try:
        return json.loads(ended.out)
    except ValueError:
        return None


def notices(ended: Ended) -> list[str]:
    """Return the warnings and errors that a command has printed."""
    return [line for line in ended.err.splitlines() if line.startswith(("error: ", "warning: "))]
