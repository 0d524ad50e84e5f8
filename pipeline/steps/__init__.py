"""The steps of the daily pipeline: plain functions of an event and a lake, the same in one process and on Lambda.

Each takes a small JSON-able event and gives a small JSON-able result.
"""
