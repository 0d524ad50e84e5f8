"""An exchange on loopback that publishes its list of companies."""

from __future__ import annotations

from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Exchange:
    """The server, running inside `with`: answers every request with `status` and `body`."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(exchange.status)
                self.send_header("Content-Length", str(len(exchange.body)))
                self.end_headers()
                self.wfile.write(exchange.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/directory"

    def __enter__(self) -> Exchange:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def lists(self, symbols: Sequence[str]) -> None:
        """Publish a list of these companies."""
        rows = [f'"{symbol}","{symbol} LIMITED","Materials","01/02/2000",1000000' for symbol in symbols]
        header = '"ASX code","Company name","GICs industry group","Listing date","Market Cap"'
        self.status, self.body = 200, ("\n".join([header, *rows]) + "\n").encode()
