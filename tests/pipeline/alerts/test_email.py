"""The channel `email`, through the notifier, against a mail server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stockstream.pipeline.alerts.channels import NotConfigured, open_channel
from stockstream.pipeline.alerts.notifier import ChannelReport, Notifier
from stockstream.pipeline.errors import UsageError
from tests.pipeline.alerts.mail_server import MailServer
from tests.pipeline.alerts.test_webhook import SECONDS, alert

PASSWORD = "pass@word/71c5"


@pytest.fixture
def mail_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with MailServer() as server:
        configure(monkeypatch, server)
        yield server


def configure(monkeypatch: pytest.MonkeyPatch, server: MailServer) -> None:
    monkeypatch.setenv("ALERT_SMTP_URL", f"smtp://me:pass%40word%2F71c5@127.0.0.1:{server.port}")
    monkeypatch.setenv("ALERT_EMAIL_TO", "anna@example.com, bob@example.com")
    monkeypatch.setenv("ALERT_EMAIL_FROM", "lake@example.com")
    monkeypatch.setenv("STOCKSTREAM_RETRY_WAIT", "0")


def sent(*symbols: str, attempts: int = 2) -> ChannelReport:
    """Deliver an alert per symbol, and return the report of the channel."""
    notifier = Notifier(attempts=attempts)
    notifier.send([alert(symbol, channels=("email",)) for symbol in symbols])
    return notifier.close(SECONDS)["email"]


def test_alerts_are_mailed_over_one_login(mail_server: MailServer) -> None:
    report = sent("BHP", "ÄÖ")
    assert (report.delivered, report.failed, report.answer) == (2, 0, "to 2 addresses")
    first, second = mail_server.mails
    assert (first.sender, first.to) == ("lake@example.com", ("anna@example.com", "bob@example.com"))
    assert first.login == f"me\0{PASSWORD}"
    assert first.message["Subject"] == "stockstream warning: BHP move_5_percent"
    assert "2026-11-20 BHP move_5_percent: up 6.25 % since" in first.message.get_content()
    assert second.message["Subject"] == "stockstream warning: ÄÖ move_5_percent"
    assert first.message["Message-ID"] != second.message["Message-ID"]
    sent("BHP")
    assert mail_server.mails[2].message["Message-ID"] == first.message["Message-ID"], "it is known as the same"


def test_what_is_temporary_is_tried_again(mail_server: MailServer) -> None:
    mail_server.replies["DATA"] = ["451 4.3.0 later"]
    report = sent("BHP")
    assert (report.delivered, report.retries, len(mail_server.mails)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ({"AUTH": [f"535 5.7.8 no {PASSWORD}"]}, "127.0.0.1 refuses the login (535): see ALERT_SMTP_URL"),
        ({"RCPT": ["550 who", "550 who"]}, "127.0.0.1 refuses all addresses (550)"),
        ({"RCPT": ["550 who"]}, "127.0.0.1 refuses 1 of 2 addresses"),
        ({"DATA": [f"554 5.7.1 spam of {PASSWORD}"]}, "127.0.0.1 answers 554"),
    ],
)
def test_what_is_final_is_named_without_the_answer(
    replies: dict[str, list[str]], reason: str, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    mail_server.replies |= replies
    report = sent("BHP")
    assert (report.delivered, report.reasons) == (0, {reason: 1})
    assert "71c5" not in caplog.text


def test_one_that_is_refused_stops_no_other(mail_server: MailServer) -> None:
    mail_server.replies["DATA"] = ["554 no"]
    report = sent("BHP", "CBA", "XRO")
    assert (report.delivered, report.reasons) == (2, {"127.0.0.1 answers 554": 1})
    assert [mail.message["Subject"].split()[2] for mail in mail_server.mails] == ["CBA", "XRO"]


def test_the_password_goes_over_tls_to_a_certificate_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path / "server.pem")
    with MailServer(certificate) as server:
        configure(monkeypatch, server)
        report = sent("BHP", attempts=1)
        assert report.reasons == {"no encrypted connection to 127.0.0.1 (SSLCertVerificationError)": 1}
        assert server.mails == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert sent("BHP").delivered == 1
        (mail,) = server.mails
        assert (mail.is_encrypted, mail.login) == (True, f"me\0{PASSWORD}")


def self_signed(path: Path) -> Path:
    """Return a file with a key and a certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password) + certificate.public_bytes(pem)
    path.write_bytes(text)
    return path


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALERT_SMTP_URL", "http://h", "ALERT_SMTP_URL is no mail server"),
        ("ALERT_SMTP_URL", "", "ALERT_EMAIL_TO is set without ALERT_SMTP_URL"),
        ("ALERT_EMAIL_TO", "", "ALERT_SMTP_URL is set without ALERT_EMAIL_TO"),
        ("ALERT_EMAIL_TO", "anna", "ALERT_EMAIL_TO is no address"),
        ("ALERT_EMAIL_FROM", "a@b\nBcc: c@d", "ALERT_EMAIL_FROM is no address"),
    ],
)
def test_a_wrong_setting_is_named(
    name: str, value: str, words: str, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=words) as raised:
        open_channel("email")
    assert not isinstance(raised.value, NotConfigured)
