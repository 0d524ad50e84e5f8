"""Dates as text: the style of a column is decided once, over all of its rows, and every text is read as a whole."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from stockstream.pipeline.errors import UsageError

MIN_YEAR = 1800
"""No exchange has older bars."""
ORDERS = {"DMY": "D/M/Y", "MDY": "M/D/Y", "YMD": "Y/M/D"}

_TIME = (
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?)?"
)
_ZONE = r"(?: ?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2}))?"
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?"
STYLES = {
    "YYYY-MM-DD": re.compile(r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})" + _TIME + _ZONE, re.ASCII),
    "YYYYMMDD": re.compile(
        r"(?P<year>1[89]\d\d|20\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
        r"(?:[T ]?(?P<hour>[01]\d|2[0-3]):?(?P<minute>[0-5]\d)(?::?(?P<second>[0-5]\d))?|[T ]0)?" + _ZONE,
        re.ASCII,
    ),
    "numbers": re.compile(r"(?P<a>\d{1,2})([-/.])(?P<b>\d{1,2})\2(?P<c>\d{4}|\d{2})" + _TIME + _ZONE, re.ASCII),
    "month's name": re.compile(
        _WEEKDAY
        + r"(?:(?P<day>\d{1,2})[-/ .]+(?P<name>[a-z]{3,9})[-/ .,]+(?P<year>\d{4}|\d{2})"
        + r"|(?P<name2>[a-z]{3,9})[-/ .]+(?P<day2>\d{1,2})(?:,? +|[-/])(?P<year2>\d{4}|\d{2})"
        + r"|(?P<year3>\d{4})[-/ ](?P<name3>[a-z]{3,9})[-/ ](?P<day3>\d{1,2}))"
        + _TIME
        + _ZONE,
        re.ASCII | re.IGNORECASE,
    ),
    "epoch": re.compile(r"(?P<epoch>\d{9,10}|\d{12,13}|\d{15,16}|\d{18,19})(?:\.0*)?", re.ASCII),
}  # fmt: skip
"""In the order of preference where a text fits two."""
_EPOCH_UNITS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Reading:
    """What a text means: a moment on the exchange's clock, or why it cannot be read."""

    moment: datetime | None
    reason: str | None = None


def looks_like_a_date(text: str) -> bool:
    """Return whether a cell can be a date; a bare number of seconds counts, a volume of 9 digits does so, too."""
    text = text.strip()
    return len(text) > 5 and style_of(text) is not None


def style_of(text: str) -> str | None:
    """Return the first style that a trimmed text fits."""
    return next((name for name, style in STYLES.items() if style.fullmatch(text)), None)


class AmbiguousDates(Exception):
    """A column's dates can be read in two orders; the text names both readings of one of them."""


def read_dates(
    texts: Mapping[str, int], timezone_name: str, today: date, date_format: str | None, hint: str | None = None
) -> dict[str, Reading]:
    """Return what each text of one column means; `texts` has the number of rows per text.

    The style of most rows is the column's: a text in another style is not read. `date_format` is an order of `ORDERS`
    or a format of strptime; `hint` is the order that a vendor is known for.

    Raises:
        AmbiguousDates: day and month cannot be distinguished by the data.
    """
    if date_format is not None and "%" in date_format:
        return {text: _with_format(text, date_format, timezone_name, today) for text in texts}
    order = checked_order(date_format)
    styles = {text: style_of(text.strip()) for text in texts}
    counts: Counter[str] = Counter()
    for text, style in styles.items():
        if style:
            counts[style] += texts[text]
    if not counts:
        return {text: Reading(None, "no date") for text in texts}
    style = "numbers" if order in ("DMY", "MDY") and counts["numbers"] else counts.most_common(1)[0][0]
    matches = {text: STYLES[style].fullmatch(text.strip()) for text in texts}
    if style == "numbers":
        order = order or _order_of({t: m for t, m in matches.items() if m}, texts, today, hint)
    moments = {text: _moment(match, order, today) for text, match in matches.items() if match}
    aware = [moment for moment in moments.values() if moment is not None and moment.tzinfo is not None]
    # Moments that all are midnight in UTC are days, written by a program that has no other type for a day.
    days = all(moment.astimezone(UTC).time() == time() for moment in aware)
    zone = UTC if days else ZoneInfo(timezone_name)
    readings = {}
    for text in texts:
        moment = moments.get(text)
        if moment is not None:
            readings[text] = judged(moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment, today)
        elif styles[text] not in (None, style):
            readings[text] = Reading(None, f"another style of date than the column's ({_shown(style, order)})")
        else:
            readings[text] = Reading(None, "no date")
    return readings


def checked_order(date_format: str | None) -> str | None:
    """Return the order that `--date-format` names; None for none and for a format of strptime.

    Raises:
        UsageError: it is neither.
    """
    if date_format is None or "%" in date_format:
        return None
    letters = re.sub("(.)\\1+", "\\1", re.sub("[^DMY]", "", date_format.upper()))
    if letters not in ORDERS:
        raise UsageError(f"--date-format {date_format}: write D/M/Y, M/D/Y, Y/M/D or a format such as %d.%m.%Y")
    return letters


def judged(moment: datetime, today: date) -> Reading:
    """Return a reading that rejects days on which no bar can be."""
    if moment.year < MIN_YEAR:
        return Reading(None, f"a day before {MIN_YEAR}")
    if moment.date() > today:
        return Reading(None, "a day in the future")
    return Reading(moment)


def _shown(style: str, order: str | None) -> str:
    return ORDERS.get(order or "", style) if style == "numbers" else style


def _order_of(matches: Mapping[str, re.Match[str]], texts: Mapping[str, int], today: date, hint: str | None) -> str:
    """Return the order in which most rows are days, no day is in the future and the fewest are at a weekend."""
    scores = {}
    for order in ("DMY", "MDY"):
        days = {text: _moment(match, order, today) for text, match in matches.items()}
        valid = sum(texts[t] for t, day in days.items() if day and day.date() <= today)
        weekend = sum(texts[t] for t, day in days.items() if day and day.weekday() > 4)
        scores[order] = (valid, weekend)
    (dmy, dmy_weekend), (mdy, mdy_weekend) = scores["DMY"], scores["MDY"]
    if max(dmy, mdy) == 0 and all(int(match["a"]) > 31 or len(match["c"]) == 2 for match in matches.values()):
        return "YMD"
    if dmy != mdy:
        return "DMY" if dmy > mdy else "MDY"
    if hint:
        return hint
    if (dmy_weekend == 0) != (mdy_weekend == 0):
        return "DMY" if dmy_weekend == 0 else "MDY"
    if all(match["a"].zfill(2) == match["b"].zfill(2) for match in matches.values()):
        return "DMY"  # 03/03/2024 is the same day in both
    text, match = next((t, m) for t, m in matches.items() if m["a"].zfill(2) != m["b"].zfill(2))
    first, second = _moment(match, "DMY", today), _moment(match, "MDY", today)
    both = f"{first:%Y-%m-%d} or {second:%Y-%m-%d}" if first and second else "D/M/Y or M/D/Y"
    raise AmbiguousDates(f"the date {text.strip()!r} can be {both}: use --date-format D/M/Y or --date-format M/D/Y")


def _moment(match: re.Match[str], order: str | None, today: date) -> datetime | None:
    """Return what a text says, with a zone if it has one; None if there is no such day."""
    parts = match.groupdict()
    try:
        if parts.get("epoch"):
            number, digits = int(parts["epoch"]), len(parts["epoch"])
            unit = next(unit for width, unit in _EPOCH_UNITS.items() if digits <= width)
            return _EPOCH + timedelta(microseconds=number * 10**6 // unit)
        if "a" in parts:
            places = {letter: parts[place] for letter, place in zip(order or "DMY", "abc", strict=True)}
            year, month, day = places["Y"], int(places["M"]), int(places["D"])
        else:
            year = next(parts[key] for key in ("year", "year2", "year3") if parts.get(key))
            day = int(next(parts[key] for key in ("day", "day2", "day3") if parts.get(key)))
            month = int(parts["month"]) if parts.get("month") else _month(parts)
        hour = int(parts.get("hour") or 0)
        if half := (parts.get("half") or "").lower():
            hour = hour % 12 + (12 if half == "p" else 0)
        moment = datetime(
            _full_year(year, today), month, day, hour, int(parts.get("minute") or 0), int(parts.get("second") or 0)
        )
        zone = parts.get("zone")
        return moment.replace(tzinfo=_zone(zone)) if zone else moment
    except (ValueError, OverflowError):
        return None


def _month(parts: Mapping[str, str | None]) -> int:
    name = next(str(parts[key]) for key in ("name", "name2", "name3") if parts.get(key)).lower()
    if name == "sept":
        return 9
    for number, month in enumerate(_MONTHS, start=1):
        if name in (month, month[:3]):
            return number
    raise ValueError(name)


def _full_year(text: str, today: date) -> int:
    """Return the year; two digits are one of the hundred years that end next year."""
    if len(text) == 4:
        return int(text)
    year = today.year // 100 * 100 + int(text)
    return year - 100 if year > today.year + 1 else year


def _zone(text: str) -> timezone:
    if text in ("Z", "UTC", "GMT"):
        return UTC
    sign = -1 if text[0] == "-" else 1
    digits = text[1:].replace(":", "").ljust(4, "0")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


def _with_format(text: str, date_format: str, timezone_name: str, today: date) -> Reading:
    try:
        moment = datetime.strptime(text.strip(), date_format)
    except ValueError:
        return Reading(None, f"no date in the format {date_format}")
    if moment.tzinfo:
        moment = moment.astimezone(ZoneInfo(timezone_name)).replace(tzinfo=None)
    return judged(moment, today)
