"""Data checks: SQL that returns bad rows, run on a lake, on tables of any kind, or on files before their publication.

model.py has the check and its finding; files.py reads checks from .sql files, rules.py generic rules from YAML, which
templates.py turns into SQL; runner.py runs checks, tables.py opens what they run on and locks it; baseline.py and
selection.py choose what is reported; reports.py writes it; record.py stores it in the lake; publication.py refuses a
generation with bad rows.
"""

from stockstream.pipeline.checks.files import FOLDER, find, installed, shipped
from stockstream.pipeline.checks.model import MAX_ROWS, SEVERITIES, Check, Finding, Tolerance, described
from stockstream.pipeline.checks.publication import refuse
from stockstream.pipeline.checks.runner import Options, run_checks

__all__ = [
    "FOLDER",
    "MAX_ROWS",
    "SEVERITIES",
    "Check",
    "Finding",
    "Options",
    "Tolerance",
    "described",
    "find",
    "installed",
    "refuse",
    "run_checks",
    "shipped",
]
