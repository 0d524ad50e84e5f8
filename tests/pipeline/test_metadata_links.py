"""A change of code, as opposed to one company that disappears and another that appears."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.pipeline.lake import Lake
from tests.pipeline.test_metadata import ALPHA, BETA, BOUNDS, DAYS, MONDAY, OLD, Companies, Entry, links, merged, put

GAMMA = Entry("GAMMA LTD", "Energy")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"A": ALPHA}, {"B": ALPHA}, {("A", "B")}, id="another code"),
        pytest.param({"A": ALPHA}, {"B": Entry("The Alpha Ltd..")}, {("A", "B")}, id="the same name, written apart"),
        pytest.param({"A": ALPHA}, {"B": BETA}, set(), id="one goes and another comes"),
        pytest.param({"A": ALPHA}, {"B": ALPHA, "C": ALPHA}, set(), id="two candidates"),
        pytest.param({"A": ALPHA, "B": ALPHA}, {"C": ALPHA}, set(), id="two origins"),
        pytest.param({"A": ALPHA}, {"A": ALPHA, "AXX": ALPHA}, set(), id="a second line of shares"),
        pytest.param({"A": ALPHA, "AXX": ALPHA}, {"A": ALPHA}, set(), id="the end of a second line"),
        pytest.param({"A": ALPHA}, {"A": BETA, "AXX": ALPHA}, set(), id="a code that goes on under another name"),
        pytest.param(
            {"A": ALPHA._replace(listing_date=OLD), "B": BETA._replace(listing_date=OLD)},
            {"A": ALPHA._replace(listing_date=OLD), "AXX": ALPHA._replace(listing_date=OLD)}, set(),
            id="a second line, and a company of its listing date goes",
        ),
        pytest.param(
            {"A": ALPHA._replace(listing_date=OLD), "AXX": ALPHA._replace(listing_date=OLD)},
            {"A": ALPHA._replace(listing_date=OLD), "B": BETA._replace(listing_date=OLD)}, set(),
            id="the end of a second line, and a company of its listing date comes",
        ),
        pytest.param({"A": ALPHA, "B": BETA}, {"A": BETA, "B": ALPHA}, set(), id="both codes go on"),
        pytest.param({"A": Entry("")}, {"B": Entry("")}, set(), id="no names"),
        pytest.param({"A": Entry("LIMITED")}, {"B": Entry("NL")}, set(), id="names that say nothing"),
        pytest.param(
            {"A": ALPHA._replace(listing_date=OLD)}, {"B": BETA._replace(listing_date=OLD)}, {("A", "B")},
            id="another code and name, the same listing date",
        ),
        pytest.param(
            {"A": ALPHA._replace(listing_date=OLD)}, {"B": ALPHA._replace(listing_date=MONDAY)}, set(),
            id="a new listing under an old name",
        ),
        pytest.param(
            {"A": ALPHA._replace(listing_date=OLD), "C": GAMMA._replace(listing_date=OLD)},
            {"B": BETA._replace(listing_date=OLD), "D": Entry("DELTA", "Energy", OLD)},
            {("A", "B"), ("C", "D")},
            id="two of one listing date, distinguished by sector",
        ),
        pytest.param(
            {"A": ALPHA._replace(listing_date=OLD), "C": BETA._replace(listing_date=OLD)},
            {"B": Entry("DELTA", listing_date=OLD)}, set(),
            id="two of one listing date and sector",
        ),
        pytest.param(
            {"A": ALPHA._replace(listing_date=OLD)}, {"B": ALPHA}, {("A", "B")}, id="a listing date known before only",
        ),
    ],
)  # fmt: skip
def test_what_is_a_code_change(
    before: Companies, after: Companies, expected: set[tuple[str, str]], tmp_path: Path
) -> None:
    lake, others = Lake(str(tmp_path)), {"ZZZ": Entry("ZED")}
    for day, companies in zip(DAYS, (before, after), strict=False):
        put(lake, day, {**others, **companies})
    merged(lake)
    assert links(lake) == {(*pair, DAYS[1]) for pair in expected}


@given(st.data())
@BOUNDS
def test_companies_keep_their_codes_apart(data: st.DataObject) -> None:
    """Among companies with unique names, exactly those are linked that left one code and took a free one."""
    names = [f"COMPANY {word} LIMITED" for word in ("ALPHA", "BETA", "GAMMA", "DELTA")]
    codes = st.permutations(["A", "B", "C", "D", "E", None]).map(lambda order: dict(zip(names, order, strict=False)))
    lists = [
        {code: Entry(name) for name, code in data.draw(codes).items() if code}
        for _ in range(data.draw(st.integers(2, 5)))
    ]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        for day, companies in zip(DAYS, lists, strict=False):
            put(lake, day, companies)
        merged(lake)
        expected = {
            (code, other, day)
            for day, before, after in zip(DAYS[1:], lists, lists[1:], strict=False)
            for code, each in before.items()
            for other, then in after.items()
            if each == then and code not in after and other not in before
        }
        assert links(lake) == expected
