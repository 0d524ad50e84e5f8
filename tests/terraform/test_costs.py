"""What a month comes to: the price list, and what is free of it."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace

import pytest

from stockstream.terraform.costs import (
    ALARM_METRICS,
    ASX,
    FEEDS,
    PRICES,
    SEED,
    US,
    USES,
    Feed,
    Serving,
    live_usage,
    monthly,
    report,
    serving_report,
    serving_usage,
)
from tests.terraform.deployment import ROOT


def test_a_months_use_is_priced_and_what_is_free_taken_off() -> None:
    listed = json.loads(PRICES.read_text())
    price, free = listed["prices"]["states_transition"], listed["always_free"]["states_transition"]
    (few,) = monthly({"states_transition": free / 2})
    (many,) = monthly({"states_transition": 3 * free})
    assert (few.dollars, few.after_allowance) == (pytest.approx(free / 2 * price), 0)
    assert (many.dollars, many.after_allowance) == (pytest.approx(3 * free * price), pytest.approx(2 * free * price))


def test_what_has_no_price_is_not_taken_for_free() -> None:
    with pytest.raises(KeyError, match="gold"):
        monthly({"gold": 1})


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS)
def test_all_that_a_feed_uses_has_a_price(feed: Feed) -> None:
    bill = monthly(live_usage(feed))
    assert all(cost.amount > 0 for cost in bill)
    assert len(bill) > 20


def test_kinesis_counts_a_record_as_a_whole_number_of_kilobytes() -> None:
    """An event of 190 bytes alone costs as much as five of a symbol in one record."""
    packed, single = live_usage(US), live_usage(replace(US, linger=0))
    assert single["kinesis_gb_in"] == pytest.approx(10_000 * 6.5 * 3600 * 21 / 2**20)
    assert single["kinesis_gb_in"] == pytest.approx(5 * packed["kinesis_gb_in"])
    assert single["kinesis_gb_out"] == packed["kinesis_gb_out"]
    assert (replace(US, linger=0).shards, US.shards) == (10, 4)


def test_a_poll_every_30_seconds_leaves_nothing_to_pack() -> None:
    assert ASX.packed == 1
    assert live_usage(ASX) == live_usage(replace(ASX, linger=0))


def test_an_item_is_written_once_per_batch_and_an_item_above_a_kilobyte_costs_twice() -> None:
    usage = live_usage(replace(US, item_bytes=1024))
    assert usage["dynamodb_write_unit"] == pytest.approx(10_000 / 5 * 6.5 * 3600 * 21)
    assert live_usage(replace(US, item_bytes=1025))["dynamodb_write_unit"] == 2 * usage["dynamodb_write_unit"]
    assert live_usage(ASX)["dynamodb_write_unit"] == pytest.approx(2300 / 30 * 6 * 3600 * 21), "once per event"


def test_a_batch_is_not_larger_than_lambda_takes() -> None:
    long = replace(US, window=300)
    size = long.batch_seconds * long.events / long.packed / long.shards * (450 + 4 / 3 * 5 * 190)
    assert size == pytest.approx(6 * 2**20)
    assert replace(US, window=300, records=100).batch_seconds == pytest.approx(100 * 4 / 2000)


def test_the_estimate_is_of_what_terraform_creates_by_default() -> None:
    variables = (ROOT / "terraform/variables.tf").read_text()
    for name, value in (("linger", US.linger), ("seconds", US.window), ("records", US.records)):
        assert re.findall(rf"^    {name} += optional\(number, (\d+)\)", variables, re.MULTILINE) == [str(value)], name
    alarms = (ROOT / "terraform/modules/speed/alarms.tf").read_text()
    of_the_function = 2  # errors and duration of publish_live, modules/alarms
    assert len(re.findall(r'= \["', alarms)) + of_the_function == ALARM_METRICS


def test_the_report_has_every_assumption_and_the_predecessor() -> None:
    lines = "\n".join(report())
    for one in fields(Feed):
        assert lines.count(f"  {one.metadata['about']}\n") == len(FEEDS)
    assert "The predecessor's estimate: $115 per month" in lines
    for feed in FEEDS.values():
        assert f"{sum(cost.dollars for cost in monthly(live_usage(feed))):.2f}" in lines


def test_the_readme_has_the_totals() -> None:
    totals = [
        sum(cost.dollars for cost in monthly(live_usage(feed))) for feed in [*FEEDS.values(), replace(US, linger=0)]
    ]
    section = (ROOT / "terraform/README.md").read_text().partition("python -m stockstream.terraform.costs")[2]
    section = section.partition("\n## ")[0]
    shown = [int(text.replace(",", "")) for text in re.findall(r"^\| .+? \| \$([\d,]+) \|", section, re.MULTILINE)]
    assert sorted(shown) == sorted([*map(round, totals), round(sum(SEED.values()))])


def test_a_serving_layer_has_a_price_for_all_that_it_uses_and_the_readme_has_the_totals() -> None:
    lines = "\n".join(serving_report())
    assert "The predecessor's estimate of a serving layer: $35 per month" in lines
    for one in fields(Serving):
        assert lines.count(f"  {one.metadata['about']}\n") == len(USES)
    readme = (ROOT / "terraform/README.md").read_text()
    for use in USES.values():
        bill = monthly(serving_usage(use))
        totals = sum(one.dollars for one in bill), sum(one.after_allowance for one in bill)
        assert f"| ${totals[0]:.0f} | ${totals[1]:.0f} |" in readme


def test_the_alarms_of_the_serving_layer_are_those_that_are_priced() -> None:
    """Those of modules/serving, and errors and duration of each function in modules/alarms."""
    alarms = (ROOT / "terraform/modules/serving/alarms.tf").read_text()
    listed = len(re.findall(r'= \["AWS/|= \["StockStream', alarms))
    of_throttles = 3
    functions = [*json.loads((ROOT / "terraform/packages.json").read_text())["serving_functions"], "publish_serving"]
    priced = serving_usage(USES["a desk: 100,000 requests, 3 websockets"])["alarm_metric_month"]
    assert listed + of_throttles + 2 * len(functions) == priced
