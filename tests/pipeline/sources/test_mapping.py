import pytest
import yaml

from feature_store.schema import EVENTS
from pipeline.configuration import CONFIG_FOLDER
from pipeline.errors import SettingsError
from pipeline.sources.mapping import Constant, Expression, load_mapping, read_mapping


@pytest.fixture
def changed(tmp_path):
    """The demo's mapping with one change, as a file."""

    def write(change):
        content = yaml.safe_load((CONFIG_FOLDER / "sources" / "demo.yaml").read_text())
        change(content)
        path = tmp_path / "shop.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_the_demo_mapping_is_read_from_the_config_folder(settings):
    mapping = load_mapping(settings())
    assert (mapping.name, mapping.timezone) == ("demo", "UTC")
    assert mapping.tables["orders"].columns["user_id"] == "household_id"
    assert isinstance(mapping.tables["items"].columns["category"], Expression)


def test_a_mapping_may_lie_anywhere(settings, changed):
    path = changed(lambda content: content["tables"]["orders"]["columns"].update(status={"constant": "completed"}))
    assert load_mapping(settings(source=path)).tables["orders"].columns["status"] == Constant(constant="completed")


EVENTS_WITH_DELETED = {
    "table": "clicks",
    "deleted": "gone",
    "columns": {name: name for name, column in EVENTS.columns.items() if not column.nullable},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["tables"].update(carts={"table": "x", "columns": {}}), "no canonical table is called carts"),
        (lambda c: c["tables"].pop("prices"), "canonical table not mapped: prices"),
        (lambda c: c["tables"]["users"]["columns"].update(shoe_size="x"), "column of `users` is called shoe_size"),
        (lambda c: c["tables"]["users"]["columns"].pop("user_id"), "column of `users` not mapped: user_id"),
        (lambda c: c["tables"]["users"].update(where="1 = 1"), "tables.users.where"),
        (lambda c: c.update(timezone="Mars/Olympus"), "no time zone is called Mars/Olympus"),
        (lambda c: c.update(colour="red"), "colour"),
    ],
)
def test_what_is_not_canonical_is_named(changed, change, message):
    with pytest.raises(SettingsError, match=message):
        read_mapping(changed(change))


def test_nullable_columns_may_be_left_out(changed):
    read_mapping(changed(lambda content: content["tables"]["items"]["columns"].pop("brand")))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        read_mapping(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["tables"].update(order_lines=c["tables"].pop("order_items")), r"order_lines; did you mean order_"),
        (lambda c: c["tables"]["users"]["columns"].update(segmnt="x"), r"segmnt.*"),
        (lambda c: c["tables"]["users"].update(colums={}), "did you mean columns"),
        (lambda c: c.update(timezon="UTC"), "did you mean timezone"),
        (lambda c: c["tables"]["orders"].update(timezone="Europe/Pari"), "no time zone is called Europe/Pari"),
        (lambda c: c["tables"]["orders"].update(joins={"s": {"tabel": "x", "by": {}, "table": "y"}}), "mean table"),
        (
            lambda c: c["tables"]["orders"].update(
                joins={"a": {"table": "x", "by": {"b.i": "i"}}, "b": {"table": "x", "by": {"a.i": "i"}}}
            ),
            "joins that wait for each other: a, b",
        ),
        (lambda c: c["tables"].update(events=EVENTS_WITH_DELETED), "`events` knows no deleted rows"),
        (lambda c: c["tables"]["orders"]["columns"].update(updated_at={"constant": 1}), "a constant cannot"),
        (lambda c: c["tables"]["orders"]["columns"].update(status={"exprssion": "x"}), "a column's name, {column"),
    ],
)
def test_an_unknown_or_impossible_word_is_told_with_the_nearest_right_one(changed, change, message):
    with pytest.raises(SettingsError, match=message):
        read_mapping(changed(change))


def test_optional_tables_are_absent_unless_they_are_mapped(changed):
    def refunds(content):
        stamps = {"created_at": "made", "updated_at": "made"}
        content["tables"]["refunds"] = {
            "table": "returns",
            "columns": {"refund_id": "id", "order_id": "basket", "amount": "money", **stamps},
        }

    assert "refunds" not in read_mapping(CONFIG_FOLDER / "sources" / "demo.yaml").tables
    assert read_mapping(changed(refunds)).tables["refunds"].table == "returns"


def test_the_narrowest_time_zone_counts(changed):
    def zones(content):
        content["timezone"] = "Europe/Paris"
        content["tables"]["orders"]["timezone"] = "Europe/London"
        content["tables"]["orders"]["columns"]["created_at"] = {"column": "created_at", "timezone": "UTC"}

    mapping = read_mapping(changed(zones))
    assert mapping.zone("orders", "created_at") == "UTC"
    assert mapping.zone("orders", "updated_at") == "Europe/London"
    assert mapping.zone("users", "updated_at") == "Europe/Paris"


def test_codes_may_be_numbers(changed):
    codes = {"column": "state", "values": {3: "completed", "x": "cancelled"}}
    path = changed(lambda content: content["tables"]["orders"]["columns"].update(status=codes))
    assert read_mapping(path).tables["orders"].values("status") == {"3": "completed", "x": "cancelled"}
