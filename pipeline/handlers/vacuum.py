"""The Lambda function that deletes what no reader can reach any more. It has a schedule and a role of its own."""

from __future__ import annotations

from stockstream.pipeline.events import ExpiryEvent, VacuumEvent, VacuumResult
from stockstream.pipeline.handlers.runtime import Invocation, lambda_handler, logger
from stockstream.pipeline.steps import vacuum


@lambda_handler
def handler(event: ExpiryEvent, invocation: Invocation) -> VacuumResult:
    """Delete old generations, their files and those of crashed runs; batch files stay, as the role may not delete them.

    Returns the result of vacuum.
    """
    what: VacuumEvent = {"delete": True, "raw": "keep"}
    if "retention_hours" in event:
        what["retention_hours"] = event["retention_hours"]
    result = vacuum.run(what, invocation.lake)
    logger.info(
        "deleted %d generations, %d of their files and %d others",
        len(result["manifests"]),
        result["files"],
        result["orphans"],
    )
    return result
