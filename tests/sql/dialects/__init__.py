"""Facts about the export that its tests share."""

from stockstream.sql.catalogue import shipped

REFUSED = ("alma", "aroon", "cci", "fisher", "mcginley", "psar", "supertrend", "vwap_anchored")
"""The indicators that neither Spark nor Athena can compute, as they call functions of lists, structs or time."""
EXPORTED = sorted({one.name for one in shipped().newest}.difference(REFUSED))
