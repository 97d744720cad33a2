"""`vitrine tune recall`: quotas that find most within a number of candidates, and where they are written."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml

from pipeline.configuration import CONFIG_FOLDER
from pipeline.errors import SettingsError
from pipeline.tuning.recall import LEAST, Tuned, greedy, put_into
from tests.pipeline.small_knowledge import offers

TODAY = dt.date(2026, 11, 22)
TUNED = Tuned(
    "home",
    {"personal": 300, "tag": 25},
    0.4,
    371.2,
    0.3,
    380.0,
    [dt.date(2017, 10, 8)],
    budget=375,
    step=25,
    data="demo",
)


def test_within_the_budget_it_finds_more_than_an_equal_split():
    asked = offers("personal", "itemcf", "trending")
    found = greedy([asked], ["personal", "itemcf", "trending"], budget=40, step=5)
    assert asked.candidates(found) <= 40
    equal = {"personal": 14, "itemcf": 14, "trending": 14}
    assert asked.recall(found) > asked.recall(equal)


def test_a_source_that_adds_nothing_is_left_out():
    asked = offers("personal", "new_items")
    assert "new_items" not in greedy([asked], ["personal", "new_items"], budget=20, step=5)


def test_newcomers_keep_the_popular_list():
    asked = offers("personal", "popular")
    assert greedy([asked], ["personal", "popular"], budget=1, step=5)["popular"] == LEAST["popular"]


def test_two_weeks_count_the_same():
    one = offers("personal", "itemcf")
    assert greedy([one, one], ["personal", "itemcf"], budget=30, step=5) == greedy(
        [one], ["personal", "itemcf"], budget=30, step=5
    )


def test_only_the_scene_and_its_comment_are_replaced():
    rest = "# next\ncart:\n  recall:\n    als: {quota: 3}\n"
    home = "# all\nhome:\n  # old\n  # words\n  recall:\n    popular: {quota: 5}\n  exclude_bought: true\n"
    text = home + rest
    changed = put_into(text, TUNED, TODAY)
    assert yaml.safe_load(changed) == {
        "home": {"recall": {"personal": {"quota": 300}, "tag": {"quota": 25}}, "exclude_bought": True},
        "cart": {"recall": {"als": {"quota": 3}}},
    }
    assert "old" not in changed
    assert changed.startswith(
        "# all\nhome:\n  # 2026-11-22, data of demo, weeks from 2017-10-09: by `vitrine tune recall`"
    )
    assert changed.endswith(f"  exclude_bought: true\n{rest}")


def test_a_source_that_stays_keeps_its_weight():
    text = "home:\n  recall:\n    personal: {quota: 5, weight: 2.5}\n    popular: {quota: 5, weight: 3}\n"
    found = yaml.safe_load(put_into(text, TUNED, TODAY))["home"]["recall"]
    assert found == {"personal": {"quota": 300, "weight": 2.5}, "tag": {"quota": 25}}


def test_the_shipped_file_can_be_written():
    text = (CONFIG_FOLDER / "scenes.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(put_into(text, TUNED, TODAY))["home"]["recall"]["tag"] == {"quota": 25}


def test_a_file_of_another_form_is_left_to_a_person():
    with pytest.raises(SettingsError, match="by hand"):
        put_into("home: {recall: {popular: {quota: 5}}}\n", TUNED, TODAY)
