"""Choose the days after which the lake ends."""

from __future__ import annotations

from collections.abc import Sequence

DECISION_DAYS = 24
"""Number of days on which the strategy decided."""
OTHER_DAYS = 6
"""Number of days on which it did not decide, but might with a look at the next session."""
BEND = 2.2
"""Above 1, more cuts are early, where a run is short: their mean place is 1 / (1 + BEND) of the range."""


def choose_days(decided: Sequence[str], sessions: Sequence[str], turns: Sequence[str]) -> list[str]:
    """Return the days after which the lake is cut, in order.

    Args:
        decided: the days on which the strategy decided, in order.
        sessions: all days of the run, in order. The last one is never chosen if it is the last of the lake.
        turns: days before events, the most important first.
    """
    possible = dict.fromkeys(day for day in sessions[:-1] if decided and day >= decided[0])
    chosen = set(spread([day for day in decided if day in possible], DECISION_DAYS))
    others = DECISION_DAYS + OTHER_DAYS - len(chosen)
    before_events = [day for day in turns if day in possible and day not in chosen][: others // 2]
    chosen.update(before_events)
    quiet = sorted(possible.keys() - {*decided} - chosen)
    chosen.update(spread(quiet, others - len(before_events)))
    return sorted(chosen)


def event_days(decided: Sequence[str], sessions: Sequence[str], turns: Sequence[str], days: Sequence[str]) -> list[str]:
    """Return further days, in order, all of them before events; the arguments are those of `choose_days`.

    Args:
        decided: the days on which the strategy decided, in order.
        sessions: all days of the run, in order.
        turns: days before events, the most important first.
        days: the days that are chosen already.
    """
    possible = {day for day in sessions[:-1] if decided and day >= decided[0]} - {*days}
    return sorted([day for day in turns if day in possible][:DECISION_DAYS])


def spread(days: Sequence[str], count: int) -> list[str]:
    """Return at most `count` days, spread over all, the early ones closer together; the last is among them."""
    if len(days) <= count:
        return list(days)
    places: list[int] = []
    for number in range(1, count + 1):
        place = round((len(days) - 1) * (number / count) ** BEND)
        least = places[-1] + 1 if places else 0
        places.append(min(max(place, least), len(days) - 1 - count + number))  # so that no day is chosen twice
    return [days[place] for place in places]
