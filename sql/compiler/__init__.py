"""Compile any set of indicator columns into one query, from the indicators' SQL files.

Values that several columns share are computed once, and only values that the columns need are computed. An indicator
that is not a plain chain of windows, such as a fold over lists, is computed by its macro and joined.

requests.py parses the requested columns; reader.py and benchmarks.py read the indicators' files into one graph of
expressions, graph.py; lowering.py writes the windows as SQL; stages.py turns the graph into CTEs; writer.py assembles
the query. arrays/ computes the same graph of many symbols with numpy. planner.py chooses between the two, and says why;
selection.py is which rows it returns.
"""

from stockstream.sql.compiler.planner import Plan, Shape, plan, shape_of
from stockstream.sql.compiler.requests import Request, benchmarks_of, parse
from stockstream.sql.compiler.selection import Selection
from stockstream.sql.compiler.writer import by_macros, query

__all__ = ["Plan", "Request", "Selection", "Shape", "benchmarks_of", "by_macros", "parse", "plan", "query", "shape_of"]
