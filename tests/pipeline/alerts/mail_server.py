"""A mail server on loopback: it keeps what comes, and refuses what a test says. With a certificate, it has STARTTLS."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path


@dataclass(frozen=True)
class Mail:
    """A mail as it arrived."""

    sender: str
    to: tuple[str, ...]
    data: bytes
    login: str
    is_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.data, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message


@dataclass
class MailServer:
    """`with MailServer() as server`; `replies` answer AUTH, RCPT, DATA and so on in turn, then with success."""

    certificate: Path | None = None
    mails: list[Mail] = field(default_factory=list)
    replies: dict[str, list[str]] = field(default_factory=dict)

    def __enter__(self) -> MailServer:
        mail_server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                _Session(mail_server, self).run()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Session:
    def __init__(self, server: MailServer, handler: socketserver.StreamRequestHandler) -> None:
        self.server, self.connection = server, handler.connection
        self.file = self.connection.makefile("rb")
        self.login, self.is_encrypted = "", False

    def run(self) -> None:
        self.say("220 test")
        sender, to = "", []
        while line := self.file.readline():
            word, _, rest = line.decode().strip().partition(" ")
            word = word.upper()
            if waiting := self.server.replies.get(word):
                self.say(waiting.pop(0))
                continue
            if word == "EHLO":
                tls = ["250-STARTTLS"] if self.server.certificate and not self.is_encrypted else []
                self.say("250-test", *tls, "250 AUTH PLAIN")
            elif word == "STARTTLS":
                self.say("220 go on")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(str(self.server.certificate))
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.file, self.is_encrypted = self.connection.makefile("rb"), True
            elif word == "AUTH":
                self.login = base64.b64decode(rest.partition(" ")[2]).decode().strip("\0")
                self.say("235 welcome")
            elif word == "MAIL":
                sender, to = rest.partition("<")[2].partition(">")[0], []
                self.say("250 ok")
            elif word == "RCPT":
                to.append(rest.partition("<")[2].partition(">")[0])
                self.say("250 ok")
            elif word == "DATA":
                self.say("354 go on")
                lines = []
                while (text := self.file.readline()) not in (b".\r\n", b""):
                    lines.append(text.removeprefix(b"."))
                self.server.mails.append(Mail(sender, tuple(to), b"".join(lines), self.login, self.is_encrypted))
                self.say("250 ok")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, *lines: str) -> None:
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
