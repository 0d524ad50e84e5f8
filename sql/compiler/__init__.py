"""One query for any set of indicator columns, made from the indicators' files.

What several of them have in common is computed once, and nothing unasked. An indicator that is no plain chain of
windows (a recursive one, or a person's own) is asked by its macro and joined.

requests.py understands what is asked for; graph.py reads the indicators' files into one graph; lowering.py writes its
windows one way or the other; stages.py puts the graph into a query; plan.py looks at the data first.
"""

from stockstream.sql.compiler.planner import plan
from stockstream.sql.compiler.requests import Request, parse
from stockstream.sql.compiler.writer import by_macros, query

__all__ = ["Request", "by_macros", "parse", "plan", "query"]
