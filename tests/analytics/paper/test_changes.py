"""The changes between two values make the second of the first, to the last bit and in the same order."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stockstream.analytics.paper.changes import change_between, changed

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, -0.0, 1.0, 0.1, 1e300, 5e-324]),
    st.text(max_size=2),
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)
)


def text(value: Any) -> str:
    return json.dumps(value)


@given(values, values)
def test_a_change_makes_the_second_of_the_first(before: Any, after: Any) -> None:
    change = json.loads(text(change_between(before, after)))
    assert text(changed(json.loads(text(before)), change)) == text(after)
    assert change_between(before, json.loads(text(before))) is None


def test_what_is_appended_to_a_list_is_all_that_a_change_has() -> None:
    long = [float(number) for number in range(1000)]
    assert change_between({"equity": long}, {"equity": [*long, 7.5]}) == {
        "keys": {"equity": {"length": 1001, "items": {"1000": {"to": 7.5}}}},
        "without": [],
    }
