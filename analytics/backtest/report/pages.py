"""What all pages share: one self-contained HTML file each, which needs no network and no other files.

Equal contents are rendered as equal bytes. The charts are drawn by uPlot (MIT); its released files are in assets/,
unchanged, and embedded in the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stockstream.analytics.page_formats import FORMATS, figure_text
from stockstream.pipeline.display import shown

ASSETS = Path(__file__).parent / "assets"
MAX_ITEMS = 30
"""Maximum number of items shown of a list in the settings."""


def rendered(template: str, **variables: Any) -> str:
    """Return a template of assets/ as HTML."""
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: shown(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FORMATS
    environment.filters["figure"] = figure_text
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.globals["asset"] = lambda name: Markup((ASSETS / name).read_text(encoding="utf-8"))
    return environment.get_template(template).render(**variables)


def flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and text of each setting; nested settings are named `outer.inner`, long lists are cut."""
    for key, value in settings.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            more = f", … ({len(value)} in total)" if len(value) > MAX_ITEMS else ""
            yield name, ", ".join(map(str, value[:MAX_ITEMS])) + more
        else:
            yield name, "–" if value is None else str(value)


def params_text(params: Mapping[str, Any]) -> str:
    """Return parameters as text: `fast=10, slow=50`; those of a blend as `trend(weight=60, fast=10)`."""
    return ", ".join(
        f"{name}({params_text(value)})" if isinstance(value, Mapping) else f"{name}={value}"
        for name, value in params.items()
    )
