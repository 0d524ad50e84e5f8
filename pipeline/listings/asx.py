"""The Australian exchange's list of companies, in each of the forms in which it has been published."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Self

import requests
from bs4 import BeautifulSoup
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from stockstream.pipeline.configuration import Settings
from stockstream.pipeline.errors import ListingsRefused
from stockstream.pipeline.listings.base import Company, ExchangeListings

log = logging.getLogger(__name__)

TIMEOUT = 30.0
HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; stock-stream)"}

CODE = {"asx code", "code", "ticker", "symbol"}
NAME = {"company name", "company", "name", "security name"}
SECTOR = {"gics industry group", "gics sector", "gics industry", "gics", "industry group", "industry", "sector"}
# Exact names only: under "Market cap ($m)", a bare number has another unit; such a column is ignored.
CAP = {"market cap", "market capitalisation", "market capitalization", "mkt cap"}
LISTED = {"listing date"}

SYMBOL = re.compile(r"[A-Z0-9]{1,6}")
MONEY = re.compile(r"(?:[A-Z]{0,3}\$)?\s*([0-9][0-9,]*(?:\.[0-9]+)?)\s*([KMBT]?)N?", re.IGNORECASE)
SCALE = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


@dataclass(frozen=True)
class Columns:
    """Positions of the columns of a table; None if it does not have the column."""

    code: int
    name: int
    sector: int | None
    cap: int | None
    listed: int | None
    width: int

    @classmethod
    def of(cls, header: Sequence[str]) -> Columns | None:
        """Return the columns by their names in a header; None if this row does not name both a code and a company."""
        names = [_clean(cell).lower() for cell in header]

        def find(synonyms: set[str]) -> int | None:
            return next((i for i, name in enumerate(names) if name in synonyms), None)

        code, name = find(CODE), find(NAME)
        if code is None or name is None:
            return None
        return cls(code, name, find(SECTOR), find(CAP), find(LISTED), len(names))

    def company(self, row: Sequence[str], where: str) -> Company:
        """Return the company in one row; `where` names the row in the error.

        Raises:
            ListingsRefused: its code cannot be a symbol.
        """
        symbol = row[self.code].strip().upper()
        if not SYMBOL.fullmatch(symbol):
            raise ListingsRefused(f"{where}: {symbol[:20]!r} is no ASX code")
        sector = "" if self.sector is None else _clean(row[self.sector])
        cap = None if self.cap is None else _money(row[self.cap])
        listed = None if self.listed is None else _day(row[self.listed])
        return Company(symbol, _clean(row[self.name]), sector, cap, listed)


def parse(text: str, content_type: str = "") -> list[Company]:
    """Return the companies of a list in CSV or HTML; the form follows from the text, else from its content type.

    Raises:
        ListingsRefused: it is neither, or it is incomplete.
    """
    start = text.lstrip("\ufeff \t\r\n")
    if not start:
        raise ListingsRefused("empty answer")
    if start[0] in "{[" or "json" in content_type.lower():
        raise ListingsRefused(f"JSON error instead of a list: {_clean(start)[:80]}")
    if start[0] == "<" or ("html" in content_type.lower() and "<table" in start.lower()):
        return parse_html(text)
    return parse_csv(text)


def parse_csv(text: str) -> list[Company]:
    """Return the companies of either official CSV: with a title above the header (to 2026), or with market caps (API).

    A last row without a line end is accepted only if its last field ends with a quote or is a market cap, as the API's
    list always ends. A market cap that lost its last digits is the one truncation that the text does not show:
    `AsxListings` refuses an answer shorter than its Content-Length.

    Raises:
        ListingsRefused: there is no header, no company, or a row that is incomplete.
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
    return _unique([columns.company(row, f"line {line}") for line, row in rows])


def parse_html(text: str) -> list[Company]:
    """Return the companies of the first table in a page whose header names a code and a company.

    Raises:
        ListingsRefused: the page has no such table, or the table is empty or incomplete.
    """
    # bs4 reads pages that begin like XML (XHTML, the error pages of some gateways), but warns about them.
    soup = BeautifulSoup(re.sub(r"^\s*<\?xml.*?\?>", "", text.lstrip("\ufeff"), flags=re.DOTALL), "html.parser")
    for table in soup.find_all("table"):
        lines = [line for line in table.find_all("tr") if line.find_parent("table") is table]
        rows = [[cell.get_text(" ") for cell in line.find_all(["th", "td"], recursive=False)] for line in lines]
        headers = ((number, columns) for number, row in enumerate(rows) if (columns := Columns.of(row)))
        header, columns = next(headers, (0, None))
        if columns is None:
            continue
        # The parser closes what a truncation left open. Only the text shows it: a complete page closes each table.
        markup = re.sub(r"<script\b.*?</script|<!--.*?-->", "", text, flags=re.DOTALL | re.IGNORECASE).lower()
        if markup.count("<table") > markup.count("</table"):
            raise ListingsRefused("an HTML page cut off inside a table")
        companies = []
        for number, row in enumerate(rows[header + 1 :], start=1):
            if len(row) <= 1 or Columns.of(row):  # a banner across the table, or a repeated header
                continue
            if len(row) != columns.width:
                raise ListingsRefused(f"row {number} has {len(row)} cells where the header has {columns.width}")
            companies.append(columns.company(row, f"row {number}"))
        if not companies:
            raise ListingsRefused("header without companies")
        return _unique(companies)
    raise ListingsRefused("an HTML page without a table of companies")


def _clean(text: str) -> str:
    return " ".join(text.split())


def _money(text: str) -> int | None:
    """Return the amount of `180500000`, `180,500,000` or `$1.2B`; None for other text (`SUSPENDED`, `--`, nothing)."""
    match = MONEY.fullmatch(text.strip())
    return int(Decimal(match[1].replace(",", "")) * SCALE[match[2].upper()]) if match else None


def _day(text: str) -> date | None:
    """Return the day of `12/09/2018`; None for other text."""
    try:
        return datetime.strptime(text.strip(), "%d/%m/%Y").date()
    except ValueError:
        return None


def _unique(companies: Sequence[Company]) -> list[Company]:
    first = {company.symbol: company for company in reversed(companies)}
    return [first[symbol] for symbol in sorted(first)]


class _TransientError(ListingsRefused):
    """A failure that another attempt may not meet."""


class AsxListings(ExchangeListings):
    """The exchange's list of companies, requested from each address in turn."""

    name = "asx"

    def __init__(self, urls: Sequence[str], attempts: int, wait: float, wait_max: float) -> None:
        """Use `urls` in turn, each up to `attempts` times, first up to `wait` and at most `wait_max` seconds apart."""
        self.urls = list(urls)
        self._retrying = Retrying(
            stop=stop_after_attempt(attempts),
            wait=wait_random_exponential(multiplier=wait, max=wait_max),
            retry=retry_if_exception_type(_TransientError),
            reraise=True,
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the list at the addresses of the settings."""
        urls = [settings.asx_url, *settings.asx_fallback_urls]
        return cls(urls, settings.retry_attempts, settings.retry_wait, settings.retry_wait_max)

    def companies(self) -> list[Company]:
        """Return the first believable list, sorted by symbol.

        Raises:
            ListingsRefused: no answer was believable; the message has every address and its reason.
        """
        refused = []
        for url in self.urls:
            try:
                response = self._retrying(_get, url)
                return parse(_decode(response.content), response.headers.get("Content-Type", ""))
            except ListingsRefused as error:
                refused.append(f"{_shown(url)}: {error}")
                log.warning("ASX listings refused: %s", refused[-1])
        raise ListingsRefused("no believable list of ASX companies: " + ("; ".join(refused) or "no address is set"))


def _get(url: str) -> requests.Response:
    """Send one request and return the response.

    Error messages never quote those of requests, which hold the whole address with any token in it.

    Raises:
        ListingsRefused: the answer is an error or shorter than its Content-Length, or there is none.
    """
    try:
        response = requests.get(url, headers=HEADERS, timeout=TIMEOUT)
    except (requests.Timeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        # The last of them includes a body shorter than its Content-Length.
        raise _TransientError(f"no complete answer ({type(error).__name__})") from None
    except requests.RequestException as error:
        raise ListingsRefused(f"the request failed ({type(error).__name__})") from None
    if response.status_code == 429 or response.status_code >= 500:
        raise _TransientError(f"HTTP {response.status_code}")
    if response.status_code != 200:
        raise ListingsRefused(f"HTTP {response.status_code}")
    return response


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def _shown(url: str) -> str:
    """Return the host and path of an address, without a password before or a query after, which may be secret."""
    return re.sub(r"^\w+://([^/?#]*@)?|[?#].*$", "", url, flags=re.DOTALL)
