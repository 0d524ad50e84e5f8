"""Writes the files that follow from the SQL files and their headers: `make sql`."""
