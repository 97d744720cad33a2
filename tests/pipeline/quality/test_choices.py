"""What config/quality.yaml may say, and what is told when it says something else."""

import pytest
import yaml

from pipeline.configuration import CONFIG_FOLDER, load_settings
from pipeline.errors import SettingsError
from pipeline.quality.rules import rule_names


def loaded(**quality):
    return load_settings(arguments={"quality": quality}).quality


def test_the_shipped_file_is_in_force():
    shipped = yaml.safe_load((CONFIG_FOLDER / "quality.yaml").read_text())
    quality = loaded()
    assert quality.actions == shipped["actions"]
    assert quality.score.minimum == shipped["score"]["minimum"]


def test_an_unknown_rule_is_told_with_the_nearest_name():
    with pytest.raises(
        SettingsError, match=r"`order_item.amount.positve` is none, the nearest is `order_items\.amount\.pos"
    ):
        loaded(actions={"order_item.amount.positve": "warn"})


def test_an_unknown_action_is_refused():
    with pytest.raises(SettingsError, match="'block', 'quarantine' or 'warn'"):
        loaded(actions={"order_items.amount.positive": "ignore"})


@pytest.mark.parametrize("rule", ["orders.key.unique", "orders.user_id.type"])
def test_a_rule_of_a_whole_partition_sets_no_rows_aside(rule):
    assert loaded(actions={rule: "warn"}).actions[rule] == "warn"
    with pytest.raises(SettingsError, match="whole partition"):
        loaded(actions={rule: "quarantine"})


@pytest.mark.parametrize("weights", [{"volume": -1}, {"volume": 0}, {}])
def test_weights_must_weigh_something(weights):
    with pytest.raises(SettingsError, match="weights of 0 or more"):
        load_settings(arguments={"quality": {"score": {"weights": weights}}})


def test_every_rule_has_one_name():
    assert len(set(rule_names())) == len(rule_names())
