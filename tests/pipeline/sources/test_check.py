import sqlite3

import pytest

from pipeline.errors import SourceError
from pipeline.sources.business import open_source


@pytest.mark.parametrize(
    ("change", "expected", "found"),
    [
        ("ALTER TABLE orders RENAME TO old_orders", "a table `orders`", "old_orders"),
        ("ALTER TABLE order_items RENAME sales_value TO price", "a column `sales_value` in `order_items`", "price"),
    ],
)
def test_what_the_mapping_names_and_the_shop_lacks_is_told_with_what_there_is(
    small_shop, settings, change, expected, found
):
    with sqlite3.connect(small_shop) as shop:
        shop.execute(change)
    shop.close()
    with open_source(settings()) as source:
        with pytest.raises(SourceError) as error:
            source.shape(expected.rpartition("`")[0].rpartition("`")[2])
        assert source.shape("users")["users.household_id"] == "whole numbers"
    assert error.value.expected == expected
    assert found in error.value.found


def test_an_empty_database_is_told(settings, tmp_path):
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(SourceError, match="no tables"), open_source(settings(database_url=f"sqlite:///{path}")):
        pass


def test_a_view_is_as_good_as_a_table(small_shop, settings):
    with sqlite3.connect(small_shop) as shop:
        shop.execute("ALTER TABLE users RENAME TO people")
        shop.execute("CREATE VIEW users AS SELECT * FROM people")
    shop.close()
    with open_source(settings()) as source:
        assert source.bounds("users") is not None
