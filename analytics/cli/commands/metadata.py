"""`stockstream metadata`: updates the table of listing periods: which company was listed when, under which code."""

from __future__ import annotations

import json
from datetime import date
from enum import StrEnum
from typing import Annotated

import typer

from stockstream.analytics.cli.commands.silver import show_rebuilt
from stockstream.analytics.cli.options import JsonOption, LakeOption, MarketOption, day_option, lake_uri, market_of
from stockstream.analytics.cli.registry import Panel, command
from stockstream.analytics.cli.screen import Screen
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.events import FetchMetadataEvent, FetchMetadataResult
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.steps.fetch_metadata import run as run_step
from stockstream.sql.errors import UsageError


class Source(StrEnum):
    """Where listings come from."""

    listings = "listings"
    polygon = "polygon"


@command("metadata", Panel.PIPELINE, 40)
def metadata_command(
    lake: LakeOption = None,
    source: Annotated[
        Source,
        typer.Option(help="listings: the lists of companies in the lake; polygon: Polygon's tickers too, US only."),
    ] = Source.listings,
    market: MarketOption = None,
    date: Annotated[
        date | None, day_option("--date", "polygon: the tickers of a past day.", default="today on the exchange")
    ] = None,
    accept_smaller: Annotated[
        bool, typer.Option("--accept-smaller", help="polygon: accept a list that lost more than 10 % of its tickers.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Rebuild the whole table from the stored lists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Update the view `metadata`: listings, delistings and code changes, one row per period.

    Example: stockstream metadata --source polygon --date 2015-06-30
    """
    opened = Lake(lake_uri(lake))
    lake_market = market_of(opened, market)
    if source is Source.listings and date:
        raise UsageError("--date is for --source polygon: each list of companies in the lake has its own day")
    if source is Source.polygon and lake_market.name != "US":
        raise UsageError("--source polygon has the US market only: use --source listings")
    if source is Source.listings:
        opened.require()  # Polygon's answers may be the first files of a lake
    provider = None
    if source is Source.polygon:
        from stockstream.pipeline.metadata.polygon import PolygonReference  # takes a while to import

        provider = PolygonReference.from_settings(settings())
    event: FetchMetadataEvent = {"date": str(date) if date else None, "accept_smaller": accept_smaller, "full": full}
    result = run_step(event, opened, provider, lake_market)
    if as_json:
        print(json.dumps(result))
    else:
        show_metadata(Screen(), result)


def show_metadata(out: Screen, result: FetchMetadataResult) -> None:
    """Print the result of the step as text."""
    if polygon := result["polygon"]:
        tickers, delisted = (
            "stored before" if count is None else f"{count:,}" for count in (polygon["tickers"], polygon["delisted"])
        )
        out.print(f"polygon    tickers {tickers}, delisted {delisted}, codes of {polygon['codes']} symbols requested")
        if polygon["refused"]:
            out.print(f"           no more codes: {polygon['refused']}")
    if result["generation"] is None:
        out.print("metadata   up to date: no list of companies is new (`stockstream run` stores them)")
        return
    out.print(
        f"metadata   generation {result['generation']}: {result['lists']} lists merged, {result['rows']:,} periods, "
        f"{result['listed']:,} symbols listed now, {result['code_changes']:,} code changes"
    )
    show_rebuilt(out, "metadata", result.get("rebuilt"))
    if result["reused"]:
        out.print(f"           {result['reused']:,} symbols were taken over by another company: FROM reused_symbols")
    if result["unlinked"]:
        out.print(
            f"           {result['unlinked']:,} symbols appeared when others disappeared, and the lists do not show "
            "whether these are code changes: FROM unlinked_symbols"
        )
