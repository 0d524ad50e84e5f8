"""Repair: verify every object of a lake, compute again what can be computed, set aside the rest, and say what is lost.

manifests.py verifies the pointer and the manifests, silver.py the files that they name, batches.py the batch files,
lists.py the lists of companies, state.py the rest of `state/`; aside.py keeps the bytes of what is damaged, rescue.py
finds rows that only earlier generations or damaged files have, rebuild.py runs the steps that compute silver, losses.py
names what no file has; engine.py runs all of it.
"""

from stockstream.pipeline.repair.engine import repair_lake
from stockstream.pipeline.repair.model import FindingReport, Loss, RepairResult

__all__ = ["FindingReport", "Loss", "RepairResult", "repair_lake"]
