"""Backtests over HTTP: those that a folder has, and runs that a form starts in processes of their own."""
