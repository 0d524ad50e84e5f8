"""The Australian exchange's directory of listed companies, in each of the forms it has been published in."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import requests
from bs4 import BeautifulSoup
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from stockstream.pipeline.errors import ListingsRefused
from stockstream.pipeline.listings.base import Listing
from stockstream.pipeline.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT = 30.0
HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; stock-stream)"}

CODE = {"asx code", "code", "ticker", "symbol"}
NAME = {"company name", "company", "name", "security name"}
SECTOR = {"gics industry group", "gics sector", "gics industry", "gics", "industry group", "industry", "sector"}
# Exact names only: under "Market cap ($m)" a bare number means something else, so that column is left alone.
CAP = {"market cap", "market capitalisation", "market capitalization", "mkt cap"}
LISTED = {"listing date"}

SYMBOL = re.compile(r"[A-Z0-9]{1,6}")
MONEY = re.compile(r"(?:[A-Z]{0,3}\$)?\s*([0-9][0-9,]*(?:\.[0-9]+)?)\s*([KMBT]?)N?", re.IGNORECASE)
SCALE = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


@dataclass(frozen=True)
class Columns:
    """Where the columns of a table are; None for one that it does not have."""

    code: int
    name: int
    sector: int | None
    cap: int | None
    listed: int | None
    width: int

    @classmethod
    def of(cls, header: Sequence[str]) -> Columns | None:
        """Find the columns by their names; None when this row does not name both a code and a company."""
        names = [_clean(cell).lower() for cell in header]

        def find(known: set[str]) -> int | None:
            return next((i for i, name in enumerate(names) if name in known), None)

        code, name = find(CODE), find(NAME)
        if code is None or name is None:
            return None
        return cls(code, name, find(SECTOR), find(CAP), find(LISTED), len(names))

    def listing(self, row: Sequence[str], where: str) -> Listing:
        """Read one row.

        Raises:
            ListingsRefused: when its code cannot be a symbol.
        """
        symbol = row[self.code].strip().upper()
        if not SYMBOL.fullmatch(symbol):
            raise ListingsRefused(f"{where}: {symbol[:20]!r} is no ASX code")
        sector = "" if self.sector is None else _clean(row[self.sector])
        cap = None if self.cap is None else _money(row[self.cap])
        listed = None if self.listed is None else _day(row[self.listed])
        return Listing(symbol, _clean(row[self.name]), sector, cap, listed)


def parse(text: str, content_type: str = "") -> list[Listing]:
    """Read a list of companies, CSV or HTML: whichever the text itself looks like, then what its type says.

    Raises:
        ListingsRefused: when it is neither, or not whole.
    """
    start = text.lstrip("\ufeff \t\r\n")
    if not start:
        raise ListingsRefused("empty answer")
    if start[0] in "{[" or "json" in content_type.lower():
        raise ListingsRefused(f"JSON error instead of a list: {_clean(start)[:80]}")
    if start[0] == "<" or ("html" in content_type.lower() and "<table" in start.lower()):
        return parse_html(text)
    return parse_csv(text)


def parse_csv(text: str) -> list[Listing]:
    """Read either official CSV: with a title above the header (to 2026), or the directory API's with market caps.

    A last row without a line end is only believed when its last field is closed by a quote, or is a market cap: the
    API's list always ends so. A market cap that lost its last digits is then the one cut that the text cannot show:
    `AsxListings` refuses an answer shorter than announced.

    Raises:
        ListingsRefused: when there is no header, no company, or a row that is not whole.
    """
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), strict=True)
    columns: Columns | None = None
    rows: list[tuple[int, list[str]]] = []
    broken = ""
    try:
        for row in reader:
            if columns is None:
                columns = Columns.of(row)
            elif any(cell.strip() for cell in row):
                rows.append((reader.line_num, row))
    except csv.Error as error:
        broken = f"cut off or misquoted in line {reader.line_num}: {error}"
    if columns is None:
        raise ListingsRefused(f"no list of companies: {_clean(text)[:80]}" if text.strip() else "empty answer")
    if broken or not rows:
        raise ListingsRefused(broken or "header without companies")

    last, row = rows[-1]
    ends_in_cap = columns.cap == columns.width - 1 and row[-1].isdecimal()
    if len(row) < columns.width or not (text.endswith(("\n", "\r", '"')) or ends_in_cap):
        raise ListingsRefused(f"cut off in line {last}: {_clean(','.join(row))[:80]}")
    for line, row in rows:
        if len(row) != columns.width:
            raise ListingsRefused(f"line {line} has {len(row)} fields where the header has {columns.width}")
    return _unique([columns.listing(row, f"line {line}") for line, row in rows])


def parse_html(text: str) -> list[Listing]:
    """Read the first table of a page whose header names a code and a company.

    Raises:
        ListingsRefused: when the page has no such table, it has no company, or it is not whole.
    """
    # bs4 warns about pages that open as XML does (XHTML, the error pages of some gateways); it reads them all the same.
    soup = BeautifulSoup(re.sub(r"^\s*<\?xml.*?\?>", "", text.lstrip("\ufeff"), flags=re.DOTALL), "html.parser")
    for table in soup.find_all("table"):
        own = [row for row in table.find_all("tr") if row.find_parent("table") is table]
        rows = [[cell.get_text(" ") for cell in row.find_all(["th", "td"], recursive=False)] for row in own]
        header, columns = next(((i, found) for i, row in enumerate(rows) if (found := Columns.of(row))), (0, None))
        if columns is None:
            continue
        # The parser closes what a cut left open, so only the text tells: a whole page closes each table.
        markup = re.sub(r"<script\b.*?</script|<!--.*?-->", "", text, flags=re.DOTALL | re.IGNORECASE).lower()
        if markup.count("<table") > markup.count("</table"):
            raise ListingsRefused("an HTML page cut off inside a table")
        listings = []
        for number, row in enumerate(rows[header + 1 :], start=1):
            if len(row) <= 1 or Columns.of(row):  # a banner across the table, or the header once more
                continue
            if len(row) != columns.width:
                raise ListingsRefused(f"row {number} has {len(row)} cells where the header has {columns.width}")
            listings.append(columns.listing(row, f"row {number}"))
        if not listings:
            raise ListingsRefused("header without companies")
        return _unique(listings)
    raise ListingsRefused("an HTML page without a table of companies")


def _clean(text: str) -> str:
    return " ".join(text.split())


def _money(text: str) -> int | None:
    """Read `180500000`, `180,500,000` or `$1.2B`; None for what is no amount (`SUSPENDED`, `--`, nothing)."""
    found = MONEY.fullmatch(text.strip())
    return int(Decimal(found[1].replace(",", "")) * SCALE[found[2].upper()]) if found else None


def _day(text: str) -> date | None:
    """Read `12/09/2018`; None for what is no such day."""
    try:
        return datetime.strptime(text.strip(), "%d/%m/%Y").date()
    except ValueError:
        return None


def _unique(listings: Sequence[Listing]) -> list[Listing]:
    first = {listing.symbol: listing for listing in reversed(listings)}
    return [first[symbol] for symbol in sorted(first)]


class _MayPass(ListingsRefused):
    """A failure that another try may not meet."""


class AsxListings:
    """The exchange's directory, asked for at each address in turn."""

    name = "asx"

    def __init__(self, urls: Sequence[str], attempts: int, wait: float, wait_max: float) -> None:
        """Ask `urls` in turn, each up to `attempts` times, first up to `wait` and at most `wait_max` seconds apart."""
        self.urls = list(urls)
        self._retrying = Retrying(
            stop=stop_after_attempt(attempts),
            wait=wait_random_exponential(multiplier=wait, max=wait_max),
            retry=retry_if_exception_type(_MayPass),
            reraise=True,
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> AsxListings:
        """Take the addresses and the retries from the settings."""
        urls = [settings.asx_url, *settings.asx_fallback_urls]
        return cls(urls, settings.retry_attempts, settings.retry_wait, settings.retry_wait_max)

    def companies(self) -> list[Listing]:
        """Give the first believable list, sorted by symbol.

        Raises:
            ListingsRefused: naming every address and why its answer was refused.
        """
        refused = []
        for url in self.urls:
            try:
                response = self._retrying(_get, url)
                return parse(_decode(response.content), response.headers.get("Content-Type", ""))
            except ListingsRefused as error:
                refused.append(f"{_shown(url)}: {error}")
                log.warning("ASX directory refused: %s", refused[-1])
        raise ListingsRefused("no believable list of ASX companies: " + ("; ".join(refused) or "no address is set"))


def _get(url: str) -> requests.Response:
    """Ask once. The messages never quote those of requests: they hold the whole address, with any token in it.

    Raises:
        ListingsRefused: when the answer is an error, or shorter than announced, or none comes.
    """
    try:
        response = requests.get(url, headers=HEADERS, timeout=TIMEOUT)
    except (requests.Timeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        # The last of them is also a body shorter than its Content-Length.
        raise _MayPass(f"no whole answer ({type(error).__name__})") from None
    except requests.RequestException as error:
        raise ListingsRefused(f"cannot be asked ({type(error).__name__})") from None
    if response.status_code == 429 or response.status_code >= 500:
        raise _MayPass(f"HTTP {response.status_code}")
    if response.status_code != 200:
        raise ListingsRefused(f"HTTP {response.status_code}")
    return response


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def _shown(url: str) -> str:
    """The host and path of an address, without what may be secret: a password before, a query after."""
    return re.sub(r"^\w+://([^/?#]*@)?|[?#].*$", "", url, flags=re.DOTALL)
