"""Reconciliation: compare the lake's bars with another source of the same bars, and store the differences.

sides.py reads the rows of the lake and of the other source per batch of symbols; comparison.py compares them with the
SQL files `sql/steps/reconcile_*.sql`; table.py publishes the result as the silver table `reconciled`.
"""

from stockstream.pipeline.reconciliation.comparison import Limits, Reconciliation, reconcile
from stockstream.pipeline.reconciliation.sides import Days, LakeSide, Side, SourceSide

__all__ = ["Days", "LakeSide", "Limits", "Reconciliation", "Side", "SourceSide", "reconcile"]
