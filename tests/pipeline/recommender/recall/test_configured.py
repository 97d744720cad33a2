"""What settings say of a source reaches it, and what it does not know is named."""

from __future__ import annotations

import pytest

from feature_store.registry import RECALL_INPUT, registry
from pipeline.errors import SettingsError
from pipeline.recommender.recall import SOURCES, configured
from pipeline.recommender.recall.itemcf import ItemCFConfig
from pipeline.recommender.recall.search import SearchConfig


def test_without_words_a_source_has_its_defaults() -> None:
    for name, source in SOURCES.items():
        assert configured(name, {}) == source.config()


def test_yaml_reaches_every_level() -> None:
    assert configured("itemcf", {"similarity": "bm25"}) == ItemCFConfig(similarity="bm25")
    assert configured("als", {"search": {"engine": "faiss"}}).search == SearchConfig(engine="faiss")
    decay = {"half_lives_days": [7], "shares": [1]}
    assert configured("popular", {"decay": decay}).decay.half_lives_days == (7.0,)


@pytest.mark.parametrize(
    ("name", "values", "named"),
    [
        ("itmcf", {}, "itmcf"),
        ("itemcf", {"neighbors": 3}, "neighbors"),
        ("itemcf", {"similarity": "euclid"}, "euclid"),
        ("als", {"search": {"motor": "faiss"}}, "motor"),
    ],
)
def test_what_it_does_not_know_is_named(name: str, values: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        configured(name, values)


def test_the_ranker_can_see_the_score_of_every_source_but_the_popular_list() -> None:
    """Which is the same for everybody, and known by features of items."""
    scored = {name.removeprefix(RECALL_INPUT) for feature in registry().values() for name in feature.inputs}
    assert set(SOURCES) - scored == {"popular"}
