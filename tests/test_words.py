"""All prose of the repository is held against the word list of CONTRIBUTING.md."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| `(?P<pattern>.+)` \| (?P<instead>[^|]*?) *\| *(?P<why>[^|]*?) *\|$", re.MULTILINE)
PARTICIPLES = {"found", "known", "told", "made", "own", "asked", "said", "wanted"}
"""What no variable, parameter or function of the product is called."""
CODE = re.compile(r"`[^`]*`|```.*?```", re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


@cache
def words() -> dict[re.Pattern[str], str]:
    """Return the patterns of the word list, each with what to write instead."""
    table = (ROOT / "CONTRIBUTING.md").read_text()
    return {re.compile(row["pattern"].replace(r"\|", "|")): row["instead"] for row in ROW.finditer(table)}


def files(*suffixes: str) -> list[Path]:
    """Return the tracked files with one of some suffixes, without vendored ones and the changelog."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    paths = [ROOT / name for name in listed if name.endswith(suffixes)]
    return [path for path in paths if path.exists() and "assets" not in path.parts and path.name != "CHANGELOG.md"]


def prose_of_python(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each comment and each string that reads as prose."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value.lstrip()


def prose_of_sql(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of the lines of the header, of comments and of COMMENT statements."""
    in_header = False
    for number, line in enumerate(text.splitlines(), 1):
        in_header = (in_header and not line.startswith("--- */")) or line.startswith("/* ---")
        comment = re.search(r"--\s(.*)|COMMENT ON .*", line)
        if in_header:
            yield number, line
        elif comment:
            yield number, comment[0].lstrip("- ")


def prose_of_text(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of the lines outside fenced code; in Terraform and Make all lines."""
    text = FENCED.sub(lambda match: "\n" * match[0].count("\n"), text)
    yield from enumerate(text.splitlines(), 1)


READERS = {".py": prose_of_python, ".sql": prose_of_sql, ".md": prose_of_text, ".tf": prose_of_text}


def violations(path: Path) -> list[str]:
    """Return what a file says in words of the list, one line per place."""
    lines = []
    for number, prose in READERS[path.suffix](path.read_text()):
        plain = CODE.sub("`code`", prose)
        for pattern, instead in words().items():
            if match := pattern.search(plain):
                lines.append(f"{path.relative_to(ROOT)}:{number}: {match[0]!r}; write: {instead}")
    return lines


def test_the_word_list_is_read() -> None:
    assert len(words()) > 8
    assert any(pattern.search("Give the number of rows.") for pattern in words())
    assert any(pattern.search("one row a symbol") for pattern in words())
    assert not any(pattern.search("Return one row per symbol.") for pattern in words())


@pytest.mark.parametrize("suffix", READERS)
def test_prose_keeps_to_the_word_list(suffix: str) -> None:
    skipped = {"CONTRIBUTING.md", "test_words.py"}  # they quote the list
    found = [line for path in files(suffix) if path.name not in skipped for line in violations(path)]
    assert not found, "\n" + "\n".join(found)


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line number and name of what a module assigns, takes as a parameter or defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def test_data_are_named_by_nouns() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {name}"
        for path in files(".py")
        if path.relative_to(ROOT).parts[0] != "tests"
        for number, name in names(ast.parse(path.read_text()))
        if name.strip("_") in PARTICIPLES or name.lower().startswith("most_")
    ]
    assert not found, "\n" + "\n".join(found)


def test_no_module_is_named_like_a_function_in_it() -> None:
    """`from stockstream.x.plan import plan` in a package would hide the module behind the function."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in files(".py")
        if path.relative_to(ROOT).parts[0] != "tests"
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == path.stem
    ]
    assert not found, "\n" + "\n".join(found)
