"""A release is tried with histories that are nobody's, and old releases are tried as they were made."""

from __future__ import annotations

import json

import numpy as np
import pytest

from feature_store.errors import OnlineStoreError
from feature_store.online.recent import default_values
from pipeline.recommender.golden import GOLDEN, GOLDEN_REQUESTS, golden_requests, read_golden
from pipeline.recommender.recall.source import Candidates
from tests.pipeline.recommender.shop import NOW, catalog

CATALOG = catalog(["milk", "milk", "bread", "soap"])
POPULAR = Candidates(np.array([2, 0, 1], np.int32), np.array([3, 2, 1], np.float32))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / GOLDEN).write_text(golden_requests(CATALOG, POPULAR, NOW))
    return tmp_path


def test_the_askers_are_pseudonyms_and_know_only_popular_items_and_the_past(folder):
    asked = list(read_golden(folder))
    assert [request.user_id for request, _ in asked] == [f"golden-{n}" for n in range(1, GOLDEN_REQUESTS + 1)]
    for request, record in asked:
        assert request.asked_at == NOW
        assert set(record.item.tolist()) <= set(CATALOG.keys[POPULAR.items].tolist())
        assert (np.diff(record.time) > 0).all()
        assert record.time.max() < NOW
        assert (record.values == default_values()).all()
    assert len({len(record.item) for _, record in asked}) == GOLDEN_REQUESTS


def test_a_shop_without_popular_items_gets_askers_without_a_history(tmp_path):
    nothing = Candidates(np.empty(0, np.int32), np.empty(0, np.float32))
    (tmp_path / GOLDEN).write_text(golden_requests(CATALOG, nothing, NOW))
    assert [len(record.item) for _, record in read_golden(tmp_path)] == [0] * GOLDEN_REQUESTS


def test_a_release_of_format_1_is_tried_with_the_users_it_names(tmp_path):
    (tmp_path / GOLDEN).write_text(json.dumps({"user_id": "7", "asked_at": NOW}) + "\n")
    ((request, record),) = read_golden(tmp_path)
    assert (request.user_id, record) == ("7", None)


def test_a_release_without_golden_requests_has_none(tmp_path):
    assert list(read_golden(tmp_path)) == []


def test_a_record_that_is_cut_short_is_refused(folder):
    line = json.loads((folder / GOLDEN).read_text().splitlines()[0])
    (folder / GOLDEN).write_text(json.dumps({**line, "record": line["record"][:64]}))
    with pytest.raises(OnlineStoreError):
        list(read_golden(folder))
