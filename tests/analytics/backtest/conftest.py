"""A lake of real bars to trade on."""

from __future__ import annotations

import pytest

from stockstream.pipeline.lake import Lake
from stockstream.pipeline.market import market
from stockstream.pipeline.runner import run
from stockstream.pipeline.settings import settings
from stockstream.pipeline.sources import open_source


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a lake of the demo's bars: five symbols as traded, with three splits and 92 dividends."""
    pytest.importorskip("bokeh_sampledata", reason="the demo extra is not installed")
    lake, us = Lake(str(tmp_path_factory.mktemp("demo"))), market("US")
    assert run(lake, open_source("demo", us, settings()), us)["status"] == "complete"
    return lake.uri
