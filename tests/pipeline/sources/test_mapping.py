import pytest
import yaml

from pipeline.errors import SettingsError
from pipeline.settings import CONFIG_FOLDER
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
