"""Which column of a file is which of ours: the usual names, and the layouts of files without a header."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stockstream.pipeline.errors import UsageError
from stockstream.pipeline.files.inputs import UnreadableFile

SYNONYMS: dict[str, tuple[str, ...]] = {
    "symbol": ("symbol", "ticker", "code", "asxcode", "sym", "securitycode", "actsymbol", "name"),
    "date": ("date", "datetime", "timestamp", "dtyyyymmdd", "yyyymmdd", "day", "session", "tradedate", "tradingdate",
             "windowstart", "time", "t", "column0", "index", ""),
    "open": ("open", "o", "openprice"),
    "high": ("high", "h", "highprice", "max"),
    "low": ("low", "l", "lowprice", "min"),
    "close": ("close", "c", "last", "closelast", "closeprice", "lastprice", "price"),
    "volume": ("volume", "vol", "v", "sharevolume", "totalvolume"),
    "adjusted_close": ("adjustedclose", "adjclose", "closeadj", "adjcloseprice", "adjustedcloseprice"),
    "dividend": ("dividend", "dividends", "exdividend", "divcash", "dividendamount", "cashdividend"),
    "split_ratio": ("splitratio", "stocksplits", "stocksplit", "split", "splits", "splitfactor", "splitcoefficient"),
}  # fmt: skip
"""Usual names per column, in lower case without blanks and punctuation, in the order of preference."""
PERIODS = ("per", "period")
NUMBERS = ("open", "high", "low", "close", "volume", "adjusted_close", "dividend", "split_ratio")
PRICES = ("open", "high", "low", "close", "adjusted_close")
_BY_WIDTH = {4: ("open", "high", "low", "close"), 5: ("open", "high", "low", "close", "volume")}
_NOISE = re.compile(r"^\d+[.] ?|[\s._\-/<>()*\"'\ufeff]")


def plain(name: str) -> str:
    """Return a column's name as `SYNONYMS` writes it: `<CLOSE>`, `4. close` and `Close` are close."""
    return _NOISE.sub("", name.strip().lower())


_OURS = {plain(name): ours for ours, names in SYNONYMS.items() for name in names}


def field(name: str) -> str | None:
    """Return which of our columns a name usually means."""
    return _OURS.get(plain(name))


def refuse_unknown(columns: Mapping[str, str]) -> None:
    """Refuse a mapping of a column that we do not have.

    Raises:
        UsageError: a key is none of our columns.
    """
    if unknown := set(columns) - set(SYNONYMS):
        raise UsageError(f"--column {unknown.pop()}=...: there are {', '.join(SYNONYMS)}")


def places_by_name(names: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Return the position of each of our columns; `time` is the time of day beside a date.

    A name that `columns` maps is used for nothing else; a column that is mapped to an empty name is left out.

    Raises:
        UnreadableFile: the file has no column of dates or of closes.
    """
    stripped = [name.strip() for name in names]
    places = {ours: stripped.index(name) for ours, name in columns.items() if name and name in stripped}
    free = {}
    for place, name in reversed(list(enumerate(names))):  # of two columns with one name, the first counts
        if place not in places.values():
            free[plain(name)] = place
    for ours, synonyms in SYNONYMS.items():
        if ours not in places and columns.get(ours) != "":
            first = next((plain(name) for name in synonyms if plain(name) in free), None)
            if first is not None:
                places[ours] = free.pop(first)
    if "date" in places and "time" in free:
        places["time"] = free["time"]
    for ours in ("date", "close"):
        if ours not in places:
            raise UnreadableFile(
                f"has no column that looks like {ours} (it has {', '.join(stripped)}): name it with --column {ours}=..."
            )
    return places


def places_by_position(sample: Sequence[Sequence[str]], is_date: Sequence[bool]) -> dict[str, int]:
    """Return the position of each of our columns in rows without a header.

    The date stands before the prices, a symbol and a period such as `D` may stand beside it, and four numbers are open,
    high, low and close, the fifth is the volume: MetaStock, EODData, Stooq.

    Raises:
        UnreadableFile: there is another number of columns.
    """
    width = len(sample[0])
    date = next((place for place in range(width) if is_date[place]), None)
    if date is None:
        raise UnreadableFile("has neither a header nor a column of dates")
    places: dict[str, int] = {}
    numeric = [place for place in range(date + 1, width) if _all_numbers(sample, place)]
    texts = [place for place in range(width) if place != date and place not in numeric]
    symbols = [place for place in texts if not all(row[place].strip().upper() in ("D", "DAILY") for row in sample)]
    if symbols:
        places["symbol"] = symbols[0]
    places["date"] = date
    if numeric and all(re.fullmatch(r"0+|\d{6}", row[numeric[0]].strip()) for row in sample) and len(numeric) > 5:
        places["time"] = numeric.pop(0)
        numeric = numeric[:5]  # a sixth number is the open interest
    if len(numeric) not in _BY_WIDTH:
        raise UnreadableFile(
            f"has no header, and {len(numeric)} columns of numbers after the date where 4 or 5 are understood:"
            " name them by their number, as in --column date=2 --column close=6"
        )
    return places | dict(zip(_BY_WIDTH[len(numeric)], numeric, strict=True))


def _all_numbers(sample: Sequence[Sequence[str]], place: int) -> bool:
    return all(re.fullmatch(r"[^A-Za-z]*\d[^A-Za-z]*[KMBkmb]?|", row[place].strip()) for row in sample)
