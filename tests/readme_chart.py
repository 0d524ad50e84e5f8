"""Draws the picture of analytics/plot/README.md with the code of that README: `python -m tests.readme_chart LAKE`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "analytics" / "plot" / "README.md"


def chart(lake: str, folder: Path) -> Any:
    """Return the chart of the README, which it also saves in a folder."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code.replace('"demo-lake"', repr(lake)).replace('"candles.html"', repr(str(folder / "candles.html"))), names)
    return names["chart"]


if __name__ == "__main__":
    target = ROOT / ".github" / "candles.png"
    with TemporaryDirectory() as folder:
        target.write_bytes(chart(sys.argv[1], Path(folder)).png(scale=1))
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")
