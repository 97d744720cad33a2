import datetime as dt

import pyarrow as pa
import pytest
import yaml

from feature_store.schema import ITEMS, ORDERS, REFUNDS, USERS
from pipeline.configuration import CONFIG_FOLDER
from pipeline.errors import SourceError
from pipeline.sources.mapped import Canonical
from pipeline.sources.mapping import SourceMapping

NOON = dt.datetime(2017, 7, 1, 12)  # noqa: DTZ001 -- what a database without zones gives
STAMPS = {"created_at": "made", "updated_at": "changed"}


@pytest.fixture
def canonical():
    """The demo's mapping, with codes, deleted orders, and refunds."""
    content = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())
    tables = content["tables"]
    tables["orders"]["deleted"] = "gone"
    tables["orders"]["columns"]["status"] = {"column": "state", "values": {1: "completed", "x": "cancelled"}}
    columns = {"refund_id": "id", "order_id": "basket", "amount": "money", **STAMPS}
    tables["refunds"] = {"table": "returns", "deleted": "undone", "timezone": "Europe/Paris", "columns": columns}
    return Canonical(SourceMapping.model_validate(content), frozenset({("returns", "changed")}))


def orders(canonical, states, gone):
    stamps = [NOON] * len(states)
    rows = {"order_id": range(len(states)), "user_id": states, "status": states, "created_at": stamps}
    return canonical.table(ORDERS, {**rows, "updated_at": stamps, "deleted": gone})["status"].to_pylist()


@pytest.mark.parametrize("value", [NOON, 1, True, "1", "yes", "2017-07-01", b"\x01"])
def test_a_time_or_a_flag_takes_a_row_away(canonical, value):
    assert orders(canonical, ["1"], [value]) == ["cancelled"]


@pytest.mark.parametrize("value", [None, 0, False, "0", "", "No", "0000-00-00 00:00:00", b"\x00"])
def test_a_flag_that_is_not_set_leaves_it(canonical, value):
    assert orders(canonical, ["1"], [value]) == ["completed"]


def test_codes_are_translated_and_others_stay(canonical):
    assert orders(canonical, [1, 2, None], [None] * 3) == ["completed", "2", None]
    assert orders(canonical, ["x", "1", "y"], [None] * 3) == ["cancelled", "completed", "y"]


def test_a_refund_that_was_undone_gives_no_money_back_and_its_times_have_their_own_zones(canonical):
    rows = {"refund_id": [1], "order_id": [2], "line_number": [None], "quantity": [None], "amount": [9.5]}
    (refund,) = canonical.table(
        REFUNDS, {**rows, "created_at": [NOON], "updated_at": [NOON], "deleted": [1]}
    ).to_pylist()
    assert refund["amount"] == 0
    assert refund["created_at"] == NOON.replace(hour=10, tzinfo=dt.UTC)
    assert refund["updated_at"] == NOON.replace(tzinfo=dt.UTC)


def test_no_rows_are_no_rows(canonical):
    empty = {name: pa.array([], pa.null()) for name in USERS.columns}
    assert len(canonical.table(USERS, empty)) == 0


def articles(content, **columns):
    """`available` of items whose mapping `content` changes; the other columns do not matter."""
    mapping = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())
    content(mapping["tables"]["items"])
    rows = len(next(iter(columns.values())))
    given = {name: [None] * rows for name in ITEMS.columns} | {"item_id": range(rows)} | columns
    return Canonical(SourceMapping.model_validate(mapping)).table(ITEMS, given)["available"].to_pylist()


def test_words_of_a_status_become_the_flag_of_an_item():
    def change(items):
        items["columns"]["available"] = {"column": "status", "values": {"live": 1, "draft": 0}}

    assert articles(change, available=["live", "draft", None]) == [1, 0, None]
    with pytest.raises(SourceError, match=r"column `available`.*sold out"):
        articles(change, available=["live", "sold out"])


def test_an_item_that_was_deleted_softly_is_off_sale_whatever_else_it_says():
    found = articles(lambda items: items.update(deleted="gone"), available=[1, 1, None], deleted=[None, NOON, 1])
    assert found == [1, 0, 0]


def test_a_user_who_was_deleted_softly_has_a_closed_account():
    mapping = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())
    mapping["tables"]["users"]["deleted"] = "gone"
    given = {name: [None, None] for name in USERS.columns} | {"user_id": [1, 2], "deleted": [None, NOON]}
    assert Canonical(SourceMapping.model_validate(mapping)).table(USERS, given)["active"].to_pylist() == [None, 0]
