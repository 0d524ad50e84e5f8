"""Live bars and alerts over HTTP: server-sent events, a websocket, and the newest bars as rows."""
