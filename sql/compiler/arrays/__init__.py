"""Compute indicators of many symbols with numpy, from the same graph of the SQL files that the queries are written
from.

lowering.py writes windows as calls of kernels; expressions.py lowers the other expressions to statements on
operands.py's registers, with the types in types.py; source.py writes the function; program.py compiles it, once per
set of requests. kernels.py, missing.py, cells.py and folds.py are the functions that it calls. stream.py reads the
chunks of a query's result, pieces.py copies them to pieces of whole symbols, and bars.py sorts these; blocks.py cuts
them into blocks of symbols; compared.py adds a benchmark's bars to a program that needs them; run.py computes these,
and returns batches of rows.
"""
