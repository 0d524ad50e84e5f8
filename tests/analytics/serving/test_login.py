"""A browser with a key: the login page, the cookie, what the scopes of the key show, and the end of a session."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.analytics.serving.server import Server, start
from tests.analytics.serving.test_dashboard import CHROMIUM, Tab, browser
from tests.analytics.serving.test_door import make_key
from tests.analytics.test_cli import run_cli

__all__ = ["browser"]
PROXIED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}


@pytest.fixture(scope="module")
def keys() -> dict[str, tuple[str, str]]:
    return {"anna": make_key("anna", "read,metrics"), "ben": make_key("ben", "live")}


@pytest.fixture(scope="module")
def file(keys: dict[str, tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.txt"
    path.write_text("\n".join(line for _, line in keys.values()) + "\n")
    return path


@pytest.fixture(scope="module")
def guarded(lake: str, file: Path) -> Iterator[Server]:
    """A server with two keys, behind a proxy if a request says so."""
    started = start(lake, "--keys", str(file), "--proxy", "127.0.0.1", "--burst", "100000", "--rate", "100000")
    yield started
    started.stop()


class Visitor(requests.Session):
    """A browser without windows: it keeps cookies, and sends the forms of pages. Each is at another address."""

    numbers = count(1)

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.address = server.address
        self.headers.update({"Accept": "text/html", "X-Forwarded-For": f"198.51.100.{next(self.numbers)}"})

    def open(self, path: str) -> requests.Response:
        """Return a page, after redirections."""
        return self.get(self.address + path, timeout=60)

    def submit(self, page: str, action: str, **fields: str) -> requests.Response:
        """Send a form of a page, with its token."""
        [token] = set(re.findall('name="token" (?:content|value)="([^"]+)"', self.open(page).text)) or {""}
        return self.post(
            self.address + action, {"token": token, **fields}, headers={"Origin": self.address}, timeout=60
        )


def test_a_key_is_entered_once_and_its_scopes_apply(guarded: Server, keys: dict[str, tuple[str, str]]) -> None:
    visitor = Visitor(guarded)
    asked = visitor.open("/screener?where=close%3E100")
    assert asked.url.endswith("/login?next=%2Fscreener%3Fwhere%3Dclose%253E100")
    assert 'value="/screener?where=close%3E100"' in asked.text
    answer = visitor.submit("/login", "/login", key=f" {keys['anna'][0]} ", next="/screener?where=close%3E100")
    assert answer.url.endswith("/screener?where=close%3E100")
    assert "<h1>Screener</h1>" in answer.text
    assert visitor.open("/v1/status").json()["generation"] == guarded.generation
    assert visitor.get(guarded.address + "/metrics", timeout=60).status_code == 200
    [cookie] = visitor.cookies
    assert keys["anna"][0] not in str(cookie.value)
    live = visitor.open("/paper")
    assert live.status_code == 403
    assert "the key anna does not have the scope paper" in live.text
    left = visitor.submit("/data", "/logout")
    assert left.url.endswith("/login")
    assert visitor.open("/data").url.endswith("/login?next=%2Fdata")
    visitor.cookies.set_cookie(cookie)  # kept by a thief
    assert visitor.open("/data").url.endswith("/login?next=%2Fdata")


def test_a_key_without_the_scope_of_a_page_is_refused_on_a_page(
    guarded: Server, keys: dict[str, tuple[str, str]]
) -> None:
    answer = Visitor(guarded).submit("/login", "/login", key=keys["ben"][0], next="/data")
    assert answer.status_code == 403
    assert "the key ben does not have the scope read" in answer.text
    assert "/screener" not in answer.text
    assert "Log out ben" in answer.text


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1", ""])
def test_a_login_leads_to_no_other_server(guarded: Server, keys: dict[str, tuple[str, str]], target: str) -> None:
    answer = Visitor(guarded).submit("/login", "/login", key=keys["anna"][0], next=target)
    assert answer.url == f"{guarded.address}/"


def test_a_cookie_is_strict_and_secure_behind_a_proxy(guarded: Server, keys: dict[str, tuple[str, str]]) -> None:
    page = requests.get(f"{guarded.address}/login", headers=PROXIED, timeout=60).text
    [token] = re.findall('<meta name="token" content="([^"]+)"', page)
    fields = {"token": token, "key": keys["anna"][0]}

    def cookie(origin: str, **headers: str) -> str:
        sent = requests.post(
            f"{guarded.address}/login", fields, headers={"Origin": origin, **headers}, allow_redirects=False, timeout=60
        )
        return sent.headers.get("set-cookie", str(sent.status_code))

    plain, proxied = cookie(guarded.address), cookie(guarded.address.replace("http:", "https:"), **PROXIED)
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert attribute in plain
        assert attribute in proxied
    assert "Secure" not in plain
    assert proxied.startswith("__Host-session=")
    assert "Secure" in proxied
    assert "Domain" not in plain + proxied
    assert cookie(guarded.address, **PROXIED) == "403", "a page over http is another origin"


def test_a_login_and_a_logout_hold_at_a_server_that_starts_later(
    lake: str, guarded: Server, keys: dict[str, tuple[str, str]], file: Path
) -> None:
    left, stayed = Visitor(guarded), Visitor(guarded)
    for visitor in (left, stayed):
        visitor.submit("/login", "/login", key=keys["anna"][0])
    [gone], [good] = left.cookies, stayed.cookies
    left.submit("/data", "/logout")
    second = start(lake, "--keys", str(file), "--proxy", "127.0.0.1")
    name = f"session-{second.address.rsplit(':', 1)[1]}"  # browsers do not separate cookies by port

    def status(server: Server, text: str | None, cookie: str = name) -> int:
        return server.get("/v1/status", Cookie=f"{cookie}={text}").status_code

    assert (status(second, gone.value), status(second, good.value)) == (401, 200)
    elsewhere = Visitor(second)
    elsewhere.cookies.set(name, good.value)
    elsewhere.submit("/data", "/logout")
    assert status(guarded, good.value, good.name) == 401, "a logout at one holds at the other"
    second.stop()
    assert keys["anna"][0].encode() not in Path(f"{file}.sessions").read_bytes()


def test_a_file_of_sessions_that_others_read_or_that_is_damaged_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(make_key("anna", "read")[1])
    sessions = tmp_path / "keys.sessions"
    arguments = ("serve", "--lake", str(tmp_path / "nowhere"), "--keys", str(tmp_path / "keys"))
    assert "nowhere" in run_cli(*arguments).err  # the file has been made before
    assert sessions.stat().st_mode & 0o777 == 0o600
    sessions.chmod(0o640)
    ended = run_cli(*arguments)
    assert (ended.code, f"{sessions} signs sessions, and others can read it: delete it" in ended.err) == (2, True)
    sessions.chmod(0o600)
    sessions.write_bytes(b"x" * 5000)
    ended = run_cli(*arguments)
    assert (ended.code, f"{sessions}: file is not a database: delete it" in ended.err) == (2, True)
    sessions.unlink()
    sessions.mkdir()
    assert "sessions end with this server" in run_cli(*arguments).err


def test_a_forged_cookie_and_the_token_of_another_session(guarded: Server, keys: dict[str, tuple[str, str]]) -> None:
    visitor, other = Visitor(guarded), Visitor(guarded)
    visitor.submit("/login", "/login", key=keys["anna"][0])
    other.submit("/login", "/login", key=keys["anna"][0])
    [token] = set(re.findall('name="token" value="([^"]+)"', other.open("/data").text))
    answer = visitor.post(f"{guarded.address}/logout", {"token": token}, timeout=60)
    assert answer.status_code == 403
    assert "of another session" in answer.text
    [cookie] = visitor.cookies
    assert cookie.value is not None
    payload, signature = cookie.value.split(".")
    for value in (f"{payload}.{signature[:-2]}AA", f"{payload}x.{signature}", payload, "é.é", token):
        headers = {"Cookie": f"{cookie.name}={value}".encode()}
        assert requests.get(f"{guarded.address}/v1/status", headers=headers, timeout=60).status_code == 401


def test_failed_logins_go_through_a_bucket(guarded: Server, keys: dict[str, tuple[str, str]]) -> None:
    page = requests.get(f"{guarded.address}/login", timeout=60).text
    [token] = re.findall('<meta name="token" content="([^"]+)"', page)
    headers = {"X-Forwarded-For": "192.0.2.99", "Origin": guarded.address, "Accept": "text/html"}
    statuses = []
    while 429 not in statuses:
        answer = requests.post(
            f"{guarded.address}/login", {"token": token, "key": "wrong"}, headers=headers, timeout=60
        )
        statuses.append(answer.status_code)
    assert set(statuses) == {403, 429}
    assert statuses.count(403) >= 10
    assert int(answer.headers["retry-after"]) >= 1
    assert Visitor(guarded).submit("/login", "/login", key=keys["anna"][0]).status_code == 200, "another address"


def test_the_file_of_keys_is_read_again(guarded: Server, keys: dict[str, tuple[str, str]], file: Path) -> None:
    text, (key, line) = file.read_text(), make_key("carl", "read,metrics")
    assert guarded.get("/v1/status", **{"X-API-Key": key}).status_code == 401
    file.write_text(f"{text}{line}\n")
    carl = Visitor(guarded)
    carl.submit("/login", "/login", key=key)
    assert carl.open("/v1/status").status_code == 200
    file.write_text(f"{text}{line}\nnonsense\n")
    assert guarded.get("/v1/status", **{"X-API-Key": key}).status_code == 200, "the keys stay"
    assert "stockstream_keys_fault 1.0" in guarded.get("/metrics", **{"X-API-Key": key}).text
    assert "nonsense" not in (log := guarded.log.read_text())
    assert log.count("the keys stay as they were: --keys") == 1
    file.unlink()
    assert guarded.get("/v1/status", **{"X-API-Key": key}).status_code == 200, "the keys stay"
    changed = make_key("carl", "read")
    file.write_text(f"{text}{changed[1]}\n")
    assert guarded.get("/v1/status", **{"X-API-Key": key}).status_code == 401
    assert carl.open("/v1/status").status_code == 401, "the session ends with its key"
    file.write_text("# none\n")
    assert guarded.get("/v1/status", **{"X-API-Key": keys["anna"][0]}).status_code == 401
    file.write_text(text)
    metrics = guarded.get("/metrics", **{"X-API-Key": keys["anna"][0]}).text
    assert "stockstream_keys_fault 0.0" in metrics
    assert "stockstream_keys 2.0" in metrics


def test_the_log_has_no_key(lake: str, keys: dict[str, tuple[str, str]], file: Path) -> None:
    started = start(lake, "--keys", str(file), LOG_LEVEL="DEBUG")
    visitor = Visitor(started)
    visitor.submit("/login", "/login", key=keys["anna"][0], next="/data")
    visitor.submit("/login", "/login", key="wrongkey")
    [cookie] = visitor.cookies
    log = started.stop()[1]
    assert not [text for text in (keys["anna"][0], "wrongkey", str(cookie.value)) if text in log]
    noted = [json.loads(entry) for entry in log.splitlines() if "stockstream.access" in entry]
    assert ("/data", "anna") in [(entry["path"], entry["key"]) for entry in noted]


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_in_a_browser_by_keyboard(
    browser: Any, guarded: Server, keys: dict[str, tuple[str, str]], tmp_path: Path
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    tab = Tab(browser, guarded, viewport={"width": 400, "height": 900})
    page = tab.open("/signals?date=2013-03-01")
    page.screenshot(path=tmp_path / "login.png")
    assert axe.Axe().run(page).response["violations"] == []
    page.keyboard.type(keys["anna"][0])
    page.keyboard.press("Enter")
    page.wait_for_url("**/signals?date=2013-03-01")
    page.screenshot(path=tmp_path / "page.png")
    assert axe.Axe().run(page).response["violations"] == []
    page.click("button:text-is('Log out anna')")
    page.wait_for_url("**/login")
    assert tab.faults == []
    tab.context.close()
