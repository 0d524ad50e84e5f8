"""The example notebooks, one per user of the product, run on the demo lake and print what is stored in them."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.notebooks import FOLDER, environment, executed, outputs

pytestmark = pytest.mark.recipes
MAX_BYTES = 60_000


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_prints_what_is_stored_in_it(path: Path, demo_lake: str) -> None:
    expected = outputs(nbformat.read(path, as_version=4))
    assert all(expected), "the notebook is committed with its outputs: python -m tests.notebooks LAKE"
    assert path.stat().st_size < MAX_BYTES
    with environment(demo_lake):
        assert outputs(executed(path)) == expected
