"""A chart that is saved as HTML without a network, as PNG or as SVG, and shown in a notebook."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from stockstream.sql.errors import ArgumentError, LakeError
from stockstream.sql.extras import require
from stockstream.sql.session.whole_files import write_whole

FORMATS = (".html", ".png", ".svg")
SCALE = 2.0
"""Pixels of a PNG per pixel of the chart."""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ margin: 16px; background: #fff; }} #chart {{ width: 100%; overflow-x: auto; }}</style>
<script>{bundle}</script>
</head>
<body>
<div id="chart"></div>
<script>
const actions = {{export: true, source: false, editor: false}};
const options = {{mode: "vega-lite", renderer: "canvas", logLevel: 1, actions}};
vegaEmbed("#chart", {spec}, options);
</script>
</body>
</html>
"""


@dataclass(frozen=True, repr=False)
class Chart:
    """A chart, drawn with Vega-Lite."""

    spec: Mapping[str, Any]
    """The chart in the terms of Vega-Lite, its data included; `altair.Chart.from_dict(spec)` reads it."""
    title: str
    height: int
    """Pixels, for the frame in a notebook."""

    def save(self, path: str | Path) -> Path:
        """Write the chart, and return its path: as `.html`, which needs no network, or as `.png` or `.svg`.

        Raises:
            ArgumentError: the path ends with none of them.
            LakeError: the file cannot be written.
        """
        if not isinstance(path, str | Path) or Path(path).suffix.lower() not in FORMATS:
            raise ArgumentError(f"path: {path!r}: write a name that ends with {', '.join(FORMATS)}")
        target = Path(path)
        kind = target.suffix.lower()
        data = self.html().encode() if kind == ".html" else self.svg().encode() if kind == ".svg" else self.png()
        try:
            write_whole(target, data)
        except OSError as error:
            raise LakeError(f"cannot write {target}: {error.strerror or error}") from None
        return target

    def html(self) -> str:
        """Return a page with all that it needs in it, about 1 MB."""
        spec = json.dumps(self.spec, separators=(",", ":"), ensure_ascii=False)
        # A text of the chart, such as a symbol, must not end the script that it stands in.
        spec = spec.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        return PAGE.format(title=html.escape(self.title), bundle=_bundle(), spec=spec)

    def png(self, scale: float = SCALE) -> bytes:
        """Return the chart as PNG, drawn without a browser."""
        return bytes(_vl_convert().vegalite_to_png(self._text(), scale=scale))

    def svg(self) -> str:
        """Return the chart as SVG."""
        return str(_vl_convert().vegalite_to_svg(self._text()))

    def _text(self) -> str:
        return json.dumps(self.spec)

    def __repr__(self) -> str:
        return f"<Chart of {self.title}>"

    def _repr_html_(self) -> str:
        page = html.escape(self.html(), quote=True)
        return f'<iframe srcdoc="{page}" style="width: 100%; height: {self.height}px; border: 0"></iframe>'


def altair() -> ModuleType:
    """Return the package altair.

    Raises:
        MissingPackage: it is not installed.
    """
    require("altair", by="a chart")
    import altair

    return altair


def _vl_convert() -> Any:
    require("vl_convert", by="saving a chart")
    import vl_convert

    return vl_convert


@cache
def _bundle() -> str:
    """Return the scripts of Vega, Vega-Lite and Vega-Embed as one; making it takes two seconds."""
    return str(_vl_convert().javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace("</script", "<\\/script")
