"""The storage of a lake's objects: a folder or S3, with the same operations."""

from __future__ import annotations

from stockstream.pipeline.store.base import Listed, Store, Stored

__all__ = ["Listed", "Store", "Stored", "open_store"]


def open_store(lake: str) -> Store:
    """Return the store of a lake by its URI (normalised: a folder, or s3://bucket/prefix)."""
    if lake.startswith("s3://"):
        from stockstream.pipeline.store.s3 import S3Store  # boto3 takes a third of a second to import

        return S3Store(lake)
    from stockstream.pipeline.store.folder import FolderStore

    return FolderStore(lake)
