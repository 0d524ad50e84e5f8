"""The example notebooks run on the demo lake and print what is stored in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "analytics" / "examples"


def outputs(notebook: Any) -> list[list[Any]]:
    """Return the printed and displayed text of each code cell."""
    return [
        [output.get("text") or output.get("data", {}).get("text/plain") or output for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_prints_what_is_stored_in_it(path: Path, demo_lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bokeh_sampledata", reason="the demo extra is not installed")
    monkeypatch.setenv("STOCKSTREAM_LAKE", demo_lake)
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    notebook = nbformat.read(path, as_version=4)
    expected = outputs(notebook)
    assert all(expected), "the notebook is committed with its outputs"
    executed = NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert outputs(executed) == expected
