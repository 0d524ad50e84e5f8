"""Write indicators as SQL of other engines: Spark, and Athena (Trino).

expansion.py puts the bodies of macros in place of their calls and computes what is constant; mends.py rewrites what an
engine spells otherwise; functions.py names the functions that mean the same in each engine. A function that is not in
it is refused by its name, because another engine may have one of the same name that is something else.
"""

from stockstream.sql.dialects.exporter import Exported, Refused, export, refusal
from stockstream.sql.dialects.functions import Dialect

__all__ = ["Dialect", "Exported", "Refused", "export", "refusal"]
