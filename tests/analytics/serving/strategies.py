"""Strategies of a user's folder that do what no server should suffer from."""

from __future__ import annotations

from pathlib import Path

HEAD = """
import os
from stockstream.analytics.backtest.model import Action, Strategy

class {name}(Strategy):
    \"\"\"{title}\"\"\"
    def __init__(self, size: int = 1, flag: bool = False, note: str = "x", limit=None) -> None:
        self.size = size
    def on_data(self, date, symbol, data, portfolio):
        {body}
"""
BODIES = {
    "Good": "return Action.buy(self.size) if symbol not in portfolio.positions else None",
    "Endless": "open(os.environ['PIDS'], 'a').write(f'{os.getpid()} ')\n        while True: pass",
    "Eats": "self.memory = bytearray(8_000_000_000)",
    "Exits": "os._exit(3)",
    "Prints": "print('y' * 100_000, 'last words'); raise ValueError(os.path.abspath('secret/place'))",
}


def write_strategies(folder: Path) -> None:
    """Write several strategies into `several.py`, a file that fails, and a link out of the folder."""
    folder.mkdir()
    texts = [HEAD.format(name=name, title=f"{name} <b>title</b>", body=body) for name, body in BODIES.items()]
    (folder / "several.py").write_text("".join(texts))
    (folder / "fails.py").write_text("raise RuntimeError('at the import')\n")
    outside = folder.parent / "outside.py"
    outside.write_text(HEAD.format(name="Outside", title="", body="return None"))
    (folder / "link.py").symlink_to(outside)
