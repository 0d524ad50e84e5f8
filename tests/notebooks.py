"""Executes the example notebooks, and compares or stores what they print: `python -m tests.notebooks LAKE [NAME…]`.

LAKE is one that `stockstream demo` made. Pictures are not stored, so that the notebooks stay small.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "analytics" / "examples"


@contextmanager
def environment(lake: str) -> Iterator[None]:
    """Let the kernels of notebooks read a lake, and find the command `stockstream`, from an empty folder."""
    before, folder = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        os.environ |= {
            "STOCKSTREAM_LAKE": lake,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{before.get('PATH', '')}",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "COLUMNS": "120",
        }
        try:
            yield
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(before)


def executed(path: Path) -> Any:
    """Return a notebook as its kernel leaves it, without what changes from run to run."""
    notebook = nbformat.read(path, as_version=4)
    metadata = dict(notebook.metadata)
    NotebookClient(notebook, timeout=300, kernel_name="python3", coalesce_streams=True).execute()
    notebook.metadata = metadata
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                if "data" in output:
                    output["data"] = {kind: text for kind, text in output["data"].items() if kind == "text/plain"}
                if "execution_count" in output:
                    output["execution_count"] = None
    return notebook


def outputs(notebook: Any) -> list[list[Any]]:
    """Return the printed and displayed text of each code cell."""
    return [
        [output.get("text") or output.get("data", {}).get("text/plain") or output for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


if __name__ == "__main__":
    lake_of_the_demo = str(Path(sys.argv[1]).resolve())
    for each in sorted(FOLDER.glob("*.ipynb")):
        if not sys.argv[2:] or each.stem in sys.argv[2:]:
            with environment(lake_of_the_demo):
                stored = executed(each)
            nbformat.write(stored, each)
            print(f"{each.name}: {len(stored.cells)} cells, {each.stat().st_size:,} bytes")
