"""Imports point one way (analytics → pipeline → sql), have one name (stockstream.…), and the pipeline fits a Lambda."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BARE_NAMES = {"sql", "pipeline", "analytics", "terraform"}
"""Folders at the root. A process whose working directory is the root could import each under a second name."""
MAY_NAME_THEM = {
    "tests/test_architecture.py",  # the examples of this test
    "tests/analytics/backtest/test_strategy_files.py",  # a strategy file that imports one is shown the new name
    "tests/fixtures/lakes/make_v0_1.py",  # runs with the code of a commit that had these names
}
MAY_IMPORT = {"sql": {"sql"}, "pipeline": {"sql", "pipeline"}, "analytics": {"sql", "pipeline", "analytics"}}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = {name.split(".")[1] for name in names if name.startswith("stockstream.")}
            assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {ours}"


def imported_names(code: str) -> set[str]:
    """Return the top-level modules that code imports, also through `import_module`, `-c`, `-m` and strings of code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= names_in_text(node.value)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("import_module", "importorskip"):
            names |= {str(part.value).split(".")[0] for part in node.args if isinstance(part, ast.Constant)}
        elif isinstance(node, ast.List | ast.Tuple):  # [python, "-m", "package.module"]
            texts = [part.value if isinstance(part, ast.Constant) else None for part in node.elts]
            names |= {str(name).split(".")[0] for flag, name in pairwise(texts) if flag == "-m"}
    return names


def names_in_text(text: str) -> set[str]:
    """Return the top-level modules of the import statements, and of `python -m`, in any text."""
    statements = re.findall(
        r"(?:^|[;`>\"'(])[ \t]*(?:from[ \t]+(\w+)[\w.]*[ \t]+import\b|import[ \t]+(\w+))", text, re.MULTILINE
    )
    modules = re.findall(r"(?<!\S)-m (\w+)", text)
    return {name for pair in statements for name in pair if name} | set(modules)


def texts_of_the_repository() -> list[Path]:
    """Return the files of the repository that may have code in them."""
    answer = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    files = (ROOT / name for name in answer.stdout.splitlines())
    endings = {".py", ".pyi", ".md", ".toml", ".json", ".ipynb", ".tf", ".hcl", ".yml", ".yaml", ".sql", ".cfg", ""}
    return [path for path in files if path.is_file() and path.suffix in endings]


def test_nothing_imports_a_folder_of_the_root_by_its_bare_name() -> None:
    paths = texts_of_the_repository()
    assert len(paths) > 100
    for path in set(paths) - {ROOT / name for name in MAY_NAME_THEM}:
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".ipynb":
            cells = ("".join(cell["source"]) for cell in json.loads(text)["cells"])
            names = names_in_text("\n".join(cells))
        else:
            names = imported_names(text) if path.suffix == ".py" else names_in_text(text)
        assert not names & BARE_NAMES, f"{path.relative_to(ROOT)} imports {names & BARE_NAMES}: write stockstream.…"


@pytest.mark.parametrize(
    "code",
    [
        "import sql",
        "from analytics.cli import main",
        "def f():\n    import pipeline.run as run",
        'run([python, "-c", "from analytics import connect; connect()"])',
        'run([python, "-m", "sql.generate"])',
        'TEXT = """x\n    import terraform.packages\n"""',
        'import importlib\nimportlib.import_module("sql.loader")',
    ],
)
def test_a_bare_name_would_be_noticed(code: str) -> None:
    assert imported_names(code) & BARE_NAMES


def test_a_bare_name_in_prose_would_be_noticed() -> None:
    assert names_in_text("```python\nimport analytics\n```") & BARE_NAMES
    assert names_in_text("Run `python -m sql.generate`.") == {"sql"}
    assert (
        not names_in_text("from stockstream import analytics\nimport stockstream.sql\nWe import sql files.")
        & BARE_NAMES
    )


def test_no_module_is_loaded_under_two_names() -> None:
    """With the root on sys.path, as `python -m pytest` puts it there, after importing everything."""
    code = (
        "import importlib, pkgutil, sys\n"
        "for name in ('sql', 'pipeline', 'analytics', 'terraform'):\n"
        "    package = importlib.import_module(f'stockstream.{name}')\n"
        "    for module in pkgutil.walk_packages(package.__path__, f'stockstream.{name}.'):\n"
        "        if not module.name.endswith('__main__'):\n"
        "            importlib.import_module(module.name)\n"
        f"print(*sorted(set(sys.modules) & {BARE_NAMES!r}))\n"
        "print(len([name for name in sys.modules if name.startswith('stockstream.')]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    bare, count = done.stdout.split("\n")[:2]
    assert bare == ""
    assert int(count) > 80


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
    for name in Settings.variables():
        stem = name.removeprefix("STOCKSTREAM_RETRY")
        assert name in readme or f"…{stem}" in readme, f"{name} is not in README.md"


def test_the_command_line_starts_without_what_few_commands_need() -> None:
    """Each of these takes longer to import than all of our own modules."""
    heavy = {"sqlglot", "numpy", "polars", "pandas", "pyarrow", "boto3"}
    code = f"import sys, stockstream.analytics.cli; print(*{heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "\n"
