"""Imports point one way, analytics → pipeline → sql, and the pipeline fits a Lambda."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {"sql": {"sql"}, "pipeline": {"sql", "pipeline"}, "analytics": {"sql", "pipeline", "analytics"}}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = {name.split(".")[1] for name in names if name.startswith("stockstream.")}
            assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {ours}"


def test_the_steps_need_neither_polars_nor_pyarrow() -> None:
    """Both are too large to lie beside yfinance in a Lambda."""
    code = (
        "import sys; sys.modules.update(polars=None, pyarrow=None)\n"
        "import stockstream.pipeline.runner, stockstream.pipeline.sources.yahoo, stockstream.pipeline.sources.polygon\n"
        "import stockstream.pipeline.metadata.polygon, stockstream.pipeline.steps.fetch_metadata\n"
        "import stockstream.pipeline.steps.vacuum, stockstream.pipeline.steps.rollback\n"
        "import stockstream.pipeline.store.s3, stockstream.pipeline.store.folder"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_every_setting_is_in_the_readme() -> None:
    from stockstream.pipeline.configuration import Settings

    readme = (ROOT / "README.md").read_text()
    for field in Settings.model_fields.values():
        name = str(field.alias)
        stem = name.removeprefix("STOCKSTREAM_RETRY")
        assert name in readme or f"…{stem}" in readme, f"{name} is not in README.md"
