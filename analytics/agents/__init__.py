"""Tools for agents and editors: a lake over the Model Context Protocol (`stockstream mcp`)."""
