"""The list of companies of ASX: each form that the exchange has published, and every truncation of it."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import ListingsRefused
from stockstream.pipeline.listings.asx import AsxListings, parse, parse_csv
from stockstream.pipeline.listings.base import Company

TITLED = """ASX listed companies as at Mon Feb 01 22:29:37 EST 2016\r
\r
Company name,ASX code,GICS industry group\r
"ZIP CO LIMITED.",Z1P,"Diversified Financials"\r
"BHP GROUP LIMITED",bhp,"Materials"\r
"BHP GROUP, AGAIN",BHP,"Energy"\r
"""
API = """\ufeff"ASX code","Company name","GICs industry group","Listing date","Market Cap"
"14D","1414 DEGREES LIMITED","Capital Goods","12/09/2018",10685244
"AAA","A ""QUOTED"" NAME","Food, Beverage & Tobacco","22/08/2016","SUSPENDED"
"CELDB","NEW","Not Applic","","--"
"GAP","NO CAP",,"01/01/2000",
"ZNO","ZOONO GROUP LIMITED","Materials","21/07/1988",9116528"""
PAGE = """<!doctype html><html><body><table><tr><th>Index</th><th>Level</th></tr><tr><td>XJO</td><td>1</td></tr></table>
<table><tr><td><table><thead><tr><th>Rank</th><th><a href="#">Code</a></th><th>Company</th><th>Sector</th>
<th>Market <b>Cap</b></th></tr></thead>
<tr><td>1</td><td><a href="/bhp">BHP</a></td><td><span>BHP</span> <b>Group</b></td><td>Materials</td>
<td>$1.23B</td></tr><tr><td colspan="5">an advertisement</td></tr>
<tr><td>2</td><td>CBA</td><td>Commonwealth &amp; Bank</td><td></td><td>180,500,000,000</td></tr>
<tr><td>3</td><td>AAA</td><td>Small</td><td>Energy</td><td>A$950.5 k</td></tr>
<tr><td>4</td><td>NEW</td><td>New</td><td>Energy</td><td>--</td></tr></table></td></tr></table></body></html>"""

FROM_TITLED = [
    Company("BHP", "BHP GROUP LIMITED", "Materials"),
    Company("Z1P", "ZIP CO LIMITED.", "Diversified Financials"),
]
FROM_API = [
    Company("14D", "1414 DEGREES LIMITED", "Capital Goods", 10685244),
    Company("AAA", 'A "QUOTED" NAME', "Food, Beverage & Tobacco"),
    Company("CELDB", "NEW", "Not Applic"),
    Company("GAP", "NO CAP"),
    Company("ZNO", "ZOONO GROUP LIMITED", "Materials", 9116528),
]
FROM_PAGE = [
    Company("AAA", "Small", "Energy", 950_500),
    Company("BHP", "BHP Group", "Materials", 1_230_000_000),
    Company("CBA", "Commonwealth & Bank", "", 180_500_000_000),
    Company("NEW", "New", "Energy"),
]

Answer = tuple[int, str] | tuple[int, str, int]  # status, body, and how many bytes more than that are announced


class Exchange:
    """A server on this machine with a list of answers per path, one per request; the last one repeats."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[str] = []
        self.agents: set[str] = set()
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                exchange.requests.append(path)
                exchange.agents.add(self.headers["User-Agent"])
                answers = exchange.answers[path]
                status, text, *more = answers.pop(0) if len(answers) > 1 else answers[0]
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) + sum(more)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def serve(self, **answers: list[Answer]) -> AsxListings:
        """Return listings that request these paths in turn, with a token that no message may contain."""
        self.answers = {f"/{path}": list(each) for path, each in answers.items()}
        urls = [f"http://user:secret@{self.host}{path}?token=secret" for path in self.answers]
        return AsxListings(urls, attempts=3, wait=0.001, wait_max=0.002)


@pytest.fixture(scope="module")
def running() -> Iterator[Exchange]:
    exchange = Exchange()
    yield exchange
    exchange.server.shutdown()
    exchange.server.server_close()


@pytest.fixture
def exchange(running: Exchange) -> Exchange:
    running.requests.clear()
    return running


@pytest.mark.parametrize(("body", "expected"), [(TITLED, FROM_TITLED), (API, FROM_API), (PAGE, FROM_PAGE)])
def test_each_form_is_read(exchange: Exchange, body: str, expected: list[Company]) -> None:
    assert exchange.serve(csv=[(200, body)], never=[(500, "")]).companies() == expected
    assert exchange.requests == ["/csv"]
    assert exchange.agents == {"Mozilla/5.0 (compatible; stock-stream)"}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_transient_failure_is_retried(exchange: Exchange, status: int) -> None:
    assert exchange.serve(csv=[(status, "later"), (200, API)]).companies() == FROM_API
    assert exchange.requests == ["/csv", "/csv"]


def test_a_permanent_failure_is_not_retried(exchange: Exchange) -> None:
    assert exchange.serve(csv=[(404, API)], page=[(200, PAGE)]).companies() == FROM_PAGE
    assert exchange.requests == ["/csv", "/page"]


def test_after_an_error_page_the_next_address_is_used(exchange: Exchange) -> None:
    assert exchange.serve(csv=[(200, "<html>Sorry</html>")], page=[(200, PAGE)]).companies() == FROM_PAGE


def test_an_answer_shorter_than_its_content_length_is_retried_then_refused(exchange: Exchange) -> None:
    short = (200, API, 3)  # the last market cap lost three digits: as text it looks whole
    assert exchange.serve(csv=[short, (200, TITLED)]).companies() == FROM_TITLED
    with pytest.raises(ListingsRefused, match="no complete answer"):
        exchange.serve(csv=[short]).companies()


def test_a_refusal_names_every_address_and_reason_and_no_secret(
    exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    listings = exchange.serve(gone=[(404, "")], down=[(503, "")], json=[(200, '{"error": 1}')], short=[(200, API, 9)])
    listings.urls += ["http://user:secret@127.0.0.1:1/closed?token=secret", "odd://secret@host/path?token=secret"]
    with pytest.raises(ListingsRefused) as refusal:
        listings.companies()
    message = str(refusal.value)
    for part in (
        f"{exchange.host}/gone: HTTP 404",
        f"{exchange.host}/down: HTTP 503",
        f'{exchange.host}/json: JSON error instead of a list: {{"error": 1}}',
        f"{exchange.host}/short: no complete answer",
        "127.0.0.1:1/closed: no complete answer",
        "host/path: the request failed",
    ):
        assert part in message
    assert "secret" not in message + caplog.text
    assert "\n" not in message
    assert exchange.requests == ["/gone", *["/down"] * 3, "/json", *["/short"] * 3]


def test_the_addresses_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_ASX_URL", "https://one")
    monkeypatch.setenv("STOCKSTREAM_ASX_FALLBACK_URLS", '["https://two", "https://three"]')
    assert AsxListings.from_settings(Settings.read()).urls == ["https://one", "https://two", "https://three"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty answer"),
        ("\ufeff \r\n", "empty answer"),
        ("Bad Gateway", "no list of companies: Bad Gateway"),
        ('[{"a": 1}]', "JSON error instead of a list"),
        ("<?xml version='1.0'?><Error>Denied</Error>", "an HTML page without a table of companies"),
        (PAGE.replace("Company", "Firm"), "an HTML page without a table of companies"),
        (PAGE[: PAGE.index("<tr><td>3")], "cut off inside a table"),
        (PAGE.replace("<td>Energy</td>", ""), "row 4 has 4 cells where the header has 5"),
        (PAGE.replace("CBA", "C B A"), "row 3: 'C B A' is no ASX code"),
        ("<table><tr><th>Code</th><th>Company</th></tr></table>", "header without companies"),
        (API.partition("\n")[0], "header without companies"),
        (API[:-7], "cut off in line 6: ZNO,ZOONO GROUP LIMITED,Materials,21/07/1988,"),
        (API[:-8], "cut off in line 6: ZNO,ZOONO GROUP LIMITED,Materials,21/07/1988"),
        (API[:-10], "cut off or misquoted in line 6"),
        (API.replace('"Capital Goods",', ""), "line 2 has 4 fields where the header has 5"),
        (API.replace('"14D"', '"14D'), "cut off or misquoted in line 2"),
        (API.replace('"AAA"', '"A.A"'), "line 3: 'A.A' is no ASX code"),
        (TITLED[:-4], "cut off or misquoted in line 6"),
        (TITLED[:-11], "cut off in line 6: BHP GROUP, AGAIN,BHP"),
        ("ASX code,Company name,Sector\nBHP,BHP,Mater", "cut off in line 2: BHP,BHP,Mater"),
    ],
)
def test_an_incomplete_list_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ListingsRefused) as refusal:
        parse(text)
    assert reason in str(refusal.value)


WORDS = st.text(st.characters(exclude_categories=["C"]), max_size=20).map(lambda text: " ".join(text.split()))
LISTING = st.builds(
    Company,
    st.from_regex(r"[A-Z0-9]{1,6}", fullmatch=True),
    WORDS,
    # No industry group contains a quote: a list cut off after one would look complete.
    WORDS.map(lambda text: " ".join(text.replace('"', "").split())),
    st.none() | st.integers(0, 10**13),
)
LISTINGS = st.lists(LISTING, min_size=1, max_size=6, unique_by=lambda listing: listing.symbol)


def by_symbol(listings: list[Company]) -> list[Company]:
    return sorted(listings, key=lambda listing: listing.symbol)


def as_titled(listings: list[Company]) -> str:
    rows = io.StringIO()
    csv.writer(rows, quoting=csv.QUOTE_ALL).writerows([each.name, each.symbol, each.sector] for each in listings)
    return f"ASX listed companies as at now\n\nCompany name,ASX code,GICS industry group\n{rows.getvalue()}"


def as_api(listings: list[Company]) -> str:
    rows = io.StringIO()
    writer = csv.writer(rows, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(["ASX code", "Company name", "GICs industry group", "Listing date", "Market Cap"])
    for each in listings:
        cap = "--" if each.market_cap is None else each.market_cap
        writer.writerow([each.symbol, each.name, each.sector, "01/02/2003", cap])
    return rows.getvalue().removesuffix("\n")


def without_caps(listings: list[Company]) -> list[Company]:
    return [Company(each.symbol, each.name, each.sector) for each in listings]


@settings(deadline=None)
@given(LISTINGS)
def test_a_written_list_is_read_back(listings: list[Company]) -> None:
    assert parse_csv(as_api(listings)) == by_symbol(listings)
    assert parse_csv(as_titled(listings)) == by_symbol(without_caps(listings))


@settings(deadline=None)
@given(LISTINGS, st.sampled_from([as_api, as_titled]), st.data())
def test_a_truncated_list_is_refused_or_has_complete_rows(
    listings: list[Company], write: Callable[[list[Company]], str], data: st.DataObject
) -> None:
    body = write(listings).encode()
    cut = body[: data.draw(st.integers(0, len(body) - 1))].decode(errors="replace")
    try:
        rows = parse_csv(cut)
    except ListingsRefused:
        return
    complete = listings[: len(rows)]
    assert without_caps(rows) == by_symbol(without_caps(complete))
    if write is as_api:
        # Only the last market cap can be short: the API's last line has no line end.
        last, read = complete[-1], next(row for row in rows if row.symbol == complete[-1].symbol)
        assert [row for row in rows if row is not read] == by_symbol(complete[:-1])
        assert read == last or (not cut.endswith("\n") and str(last.market_cap).startswith(str(read.market_cap)))


REAL = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(not REAL.is_dir(), reason="no recorded lists: shared/data is not beside the repository")


@real
@pytest.mark.parametrize(
    ("path", "count", "caps"),
    [
        ("asx_listed/ASXListedCompanies-2016-02-01.csv", 2183, 0),
        ("asx_listed/ASXListedCompanies-2018-08-04.csv", 2269, 0),
        ("asx_listed/ASXListedCompanies-2019-01-29.csv", 2234, 0),
        ("asx_listed/ASXListedCompanies-2019-10-17.csv", 2192, 0),
        ("asx_listed/ASXListedCompanies-2020-11-11.csv", 2127, 0),
        ("asx_listed/ASXListedCompanies-2025-12-05.csv", 1985, 0),
        ("asx_listed/ASXListedCompanies-2026-03-02.csv", 1977, 0),
        ("asx_directory_api/ASX_Listed_Companies-2023-08-11.csv", 2050, 1961),
        ("asx_directory_api/ASX_Listed_Companies-2025-06-30.csv", 1899, 1799),
        ("asx_directory_api/ASX_Listed_Companies-2025-12-31.csv", 1857, 1796),
        ("asx_directory_api/ASX_Listed_Companies-2026-08-17.csv", 1834, 1775),
        ("asx_directory_api/ASX_Listed_Companies-2026-08-18.csv", 1838, 1779),
        ("asx_directory_api/ASX_Listed_Companies-2026-08-19.csv", 1840, 1778),
        ("asx_directory_api/failure-partial_1130.csv", 1130, 1084),  # too few for a market: the step refuses it
        ("asx_directory_api/failure-market_cap_dashes.csv", 1800, 1),  # all but CELDB's
    ],
)
def test_real_lists(path: str, count: int, caps: int) -> None:
    companies = parse((REAL / path).read_bytes().decode())
    assert len(companies) == count
    assert sum(each.market_cap is not None for each in companies) == caps
    assert all(each.name and each.sector for each in companies)


@real
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("failure-500_error.json", "JSON error instead of a list"),
        ("failure-502_bad_gateway.txt", "no list of companies: Bad Gateway"),
        ("failure-apigee_fault.json", "JSON error instead of a list"),
        ("failure-header_only.csv", "header without companies"),
    ],
)
def test_real_failures(exchange: Exchange, path: str, reason: str) -> None:
    with pytest.raises(ListingsRefused, match=reason):
        exchange.serve(csv=[(200, (REAL / "asx_directory_api" / path).read_text())]).companies()
