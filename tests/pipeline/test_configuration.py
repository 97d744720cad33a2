"""Settings say what is in force, who said so, and what is wrong with them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from pipeline.configuration import load_settings, origin, origins
from pipeline.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_environment(settings):
    """`settings` clears the environment of VITRINE_ variables."""


def overlay(folder: Path, text: str) -> Path:
    path = folder / "overlay.yaml"
    path.write_text(text)
    return path


def test_the_later_layer_wins(tmp_path, monkeypatch):
    path = overlay(tmp_path, "training: {lightgbm: {trees: 7, leaves: 5}}")
    monkeypatch.setenv("VITRINE_TRAINING__LIGHTGBM__LEAVES", "9")
    found = load_settings((path,), {"training": {"weeks": 3}})
    assert (found.training.lightgbm.trees, found.training.lightgbm.leaves, found.training.weeks) == (7, 9, 3)
    assert origin("training.lightgbm.trees", (path,)) == str(path)
    assert origin("training.lightgbm.leaves", (path,)) == "environment"
    assert origin("training.logistic.iterations", (path,)) == "default"


def test_overlays_named_by_the_environment_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("VITRINE_CONFIG", str(overlay(tmp_path, "seed: 5")))
    assert load_settings().seed == 5


@pytest.mark.parametrize("text", ["trainin: {trees: 7}", "training: {tres: 7}"])
def test_an_unknown_key_in_a_file_is_named_with_its_file(tmp_path, text):
    with pytest.raises(SettingsError, match=r"tra.*an unknown key.*overlay\.yaml"):
        load_settings((overlay(tmp_path, text),))


def test_an_unknown_variable_is_named(monkeypatch):
    monkeypatch.setenv("VITRINE_ONLINE_STORE_ULR", "redis://localhost")
    with pytest.raises(SettingsError, match=r"VITRINE_ONLINE_STORE_ULR.*no setting `online_store_ulr`"):
        load_settings()


def test_a_wrong_type_names_key_value_and_place(monkeypatch):
    monkeypatch.setenv("VITRINE_TRAINING__LIGHTGBM__TREES", "many")
    with pytest.raises(SettingsError, match=r"training\.lightgbm\.trees.*found 'many'.*environment"):
        load_settings()


@pytest.mark.parametrize("text", ["- a list", "key: [unclosed"])
def test_a_file_that_is_no_mapping_is_named(tmp_path, text):
    with pytest.raises(SettingsError, match=r"overlay\.yaml: expected a YAML mapping"):
        load_settings((overlay(tmp_path, text),))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"absent\.yaml: expected a YAML file, found none"):
        load_settings((tmp_path / "absent.yaml",))


def test_secrets_are_masked_and_their_place_is_told(monkeypatch):
    monkeypatch.setenv("VITRINE_DATABASE_URL", "mysql+pymysql://shop:sesame@db/shop")
    value, place = origins()["database_url"]
    assert "sesame" not in str(value)
    assert place == "environment"
    assert "sesame" not in repr(load_settings())


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        load_settings().seed = 1


def test_following_judges_after_the_day_and_preceding_up_to_it():
    day = dt.date(2017, 11, 5)
    following = load_settings(arguments={"evaluation": {"holdout": "following"}})
    preceding = load_settings(arguments={"evaluation": {"holdout": "preceding"}})
    assert (following.cut(day), following.last_judged(day)) == (day, dt.date(2017, 11, 12))
    assert (preceding.cut(day), preceding.last_judged(day)) == (dt.date(2017, 10, 29), day)
