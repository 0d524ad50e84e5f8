"""A lake: credentials, marker, pointer and generation, its files, and what it holds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from stockstream.analytics.cli.commands.status import lake_status
from stockstream.analytics.cli.temporary import left_behind
from stockstream.analytics.doctor.findings import Finding
from stockstream.pipeline.errors import NoLake
from stockstream.pipeline.generations import head_as_it_is, numbers, pointed
from stockstream.pipeline.lake import CURRENT, SILVER, Lake
from stockstream.sql.errors import LakeWarning
from stockstream.sql.text import one_line

OLD = timedelta(days=3)
"""How long a session may be final before a lake without it is worth a warning."""
REPAIR = "`stockstream repair` shows what is damaged, `--apply` mends it"


def lake_findings(lake: Lake) -> Iterator[Finding]:
    """Yield what is found about a lake. It is not changed.

    Raises:
        LakeError: it cannot be read.
    """
    if lake.uri.startswith("s3://"):
        yield (credentials := _credentials())
        if credentials.state == "failed":
            return
    try:
        lake.require()
    except NoLake as error:
        yield Finding.warning("lake", str(error), f"`stockstream run --lake {lake.uri}` makes one")
        return
    yield from _generation(lake)
    yield from _contents(lake)
    if leftovers := left_behind(lake):
        text = f"{len(leftovers)} temporary files or folders of killed processes, the first: {leftovers[0]}"
        yield Finding.warning("lake", text, "`stockstream vacuum --delete`")


def _credentials() -> Finding:
    """Return whether there are AWS credentials, and where they come from."""
    import boto3
    from botocore.exceptions import BotoCoreError

    action = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
    try:
        credentials = boto3.Session().get_credentials()
        frozen = credentials and credentials.get_frozen_credentials()
    except BotoCoreError as error:
        return Finding.failed("credentials", one_line(str(error)), action)
    if not credentials or not frozen or not frozen.access_key:
        return Finding.failed("credentials", "there are no AWS credentials", action)
    kind = "temporary ones" if frozen.token else "a key"
    return Finding.ok("credentials", f"AWS: {kind}, from {credentials.method}")


def _generation(lake: Lake) -> Iterator[Finding]:
    """Yield the pointer, the newest generation, and each file of it that is gone or has another size."""
    newest = max(numbers(lake), default=0)
    stored = lake.store.get(CURRENT)
    pointer = pointed(lake, stored)
    if newest and pointer is None:
        state = "gone" if stored is None else "damaged"
        yield Finding.warning("lake", f"the pointer is {state}: readers look for the newest manifest", REPAIR)
    elif pointer is not None and pointer.generation < newest:
        text = f"the pointer is at generation {pointer.generation}, and {newest} is committed: its writer was killed"
        yield Finding.warning("lake", text, "`stockstream run` moves the pointer")
    manifest = head_as_it_is(lake)
    files = [file for table in manifest.tables.values() for file in table.files]
    present = lake.store.list(SILVER)
    lost = [file.key for file in files if file.key not in present or present[file.key].size != file.bytes]
    if lost:
        text = f"{len(lost)} of {len(files)} files of generation {manifest.generation} are gone or cut: {lost[0]}"
        yield Finding.failed("lake", text, REPAIR)
    elif manifest.generation:
        text = f"generation {manifest.generation} of {manifest.created_at}, its {len(files)} files have their sizes"
        yield Finding.ok("lake", text)


def _contents(lake: Lake) -> Iterator[Finding]:
    """Yield what the views say: bars, batch files, pending rows, stale tables, and how old the newest bars are."""
    now = datetime.now(UTC)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        status = lake_status(lake, now=now)
    for warning in caught:
        if issubclass(warning.category, LakeWarning):
            yield Finding.failed("lake", str(warning.message), REPAIR)
    if not status["bars"]:
        yield Finding.warning("lake", f"{lake.uri} holds no bars yet", "`stockstream run` fetches them")
        return
    yield Finding.ok(
        "lake",
        f"{lake.uri} ({status['market'] or 'no market'}): {status['bars']:,} bars of {status['symbols']:,} symbols "
        f"through {status['last_date']}; {status['batch_files']} batch files, {status['fresh_files']} of them newer "
        f"than the generation; {status['unsettled']:,} rows pending",
    )
    for table in status["stale_tables"]:
        yield Finding.warning("lake", f"{table['name']} is stale: {table['reason']}", "`stockstream run` computes it")
    since: datetime | None = status["lacking_since"]
    if since is not None and now - since > OLD:
        text = f"no bar after {status['last_date']}, and the next session is final since {since:%Y-%m-%d %H:%M} UTC"
        yield Finding.warning("lake", text, "`stockstream run`; `stockstream schedule` prints what runs it every day")
