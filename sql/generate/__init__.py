"""Write the files that are generated from the SQL files and their headers: `make sql`."""
