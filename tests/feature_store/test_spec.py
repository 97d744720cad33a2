"""A definition that does not keep its word is refused when it is written."""

from __future__ import annotations

import pytest

from feature_store.errors import FeatureError
from feature_store.spec import request, stored


def test_a_feature_is_named_and_described_by_its_function() -> None:
    @request(unit="ratio", default=1.0, range=(0.0, 2.0))
    def item_ratio(item_price, user_price):
        """One over the other."""
        return item_price / user_price

    assert (item_ratio.name, item_ratio.kind, item_ratio.entity) == ("item_ratio", "request", None)
    assert item_ratio.inputs == ("item_price", "user_price")
    assert item_ratio.description == "One over the other."
    assert item_ratio(6, 3) == 2


def test_a_stored_feature_belongs_to_an_entity() -> None:
    @stored(entity="item", unit="lines", default=0.0)
    def item_lines(events):
        """Lines."""
        return events

    assert (item_lines.kind, item_lines.entity, item_lines.range) == ("stored", "item", (0.0, float("inf")))


def test_without_a_docstring_it_is_refused() -> None:
    def item_mute(events):
        return events

    with pytest.raises(FeatureError, match="item_mute: expected a docstring"):
        stored(entity="item", unit="1", default=0.0)(item_mute)


def test_a_default_outside_the_range_is_refused() -> None:
    def item_share(events):
        """A share."""
        return events

    with pytest.raises(FeatureError, match="item_share: expected a default"):
        stored(entity="item", unit="ratio", default=1.5, range=(0.0, 1.0))(item_share)
