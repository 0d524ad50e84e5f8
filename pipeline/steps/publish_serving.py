"""Store the serving file of the newest generation in the lake, for servers, which then need not make it."""

from __future__ import annotations

import logging

from stockstream.pipeline import serving_file, serving_store
from stockstream.pipeline.configuration import settings
from stockstream.pipeline.events import PublishServingEvent, PublishServingResult
from stockstream.pipeline.generations import head
from stockstream.pipeline.lake import Lake
from stockstream.pipeline.staging import staging_folder

logger = logging.getLogger(__name__)


def run(event: PublishServingEvent, lake: Lake) -> PublishServingResult:
    """Make the serving file, store it, and delete those of generations that are not served any more.

    It is off unless the event or the setting says otherwise. A file that is there already is not made again.

    Raises:
        LakeError: the lake cannot be read or written.
    """
    result: PublishServingResult = {"generation": None, "key": None, "bytes": 0, "deleted": 0}
    if not event.get("enabled", settings().serving_file):
        return result
    manifest = head(lake)
    if not manifest.generation:
        return result
    if not serving_store.is_right(lake, manifest):
        with staging_folder() as folder:
            path = folder / serving_file.name_of(manifest)
            serving_file.make(lake.uri, manifest, path)
            key = serving_store.store(lake, manifest, path)
            result |= {"generation": manifest.generation, "key": key, "bytes": path.stat().st_size}
        logger.info("stored %s", lake.store.uri(key))
    result["deleted"] = serving_store.delete_old(lake, manifest)
    return result
