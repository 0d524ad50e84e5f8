"""Compile any set of indicator columns into one query, from the indicators' SQL files.

Values that several columns share are computed once, and only what the columns need is computed. An indicator that is
not a plain chain of windows (a recursive one, or a person's own) is computed by its macro and joined.

requests.py parses what is requested; graph.py reads the indicators' files into one graph of expressions; lowering.py
writes its windows in one of two ways; stages.py turns the graph into CTEs; writer.py puts the query together;
planner.py inspects the data first.
"""

from stockstream.sql.compiler.planner import plan
from stockstream.sql.compiler.requests import Request, parse
from stockstream.sql.compiler.writer import by_macros, query

__all__ = ["Request", "by_macros", "parse", "plan", "query"]
