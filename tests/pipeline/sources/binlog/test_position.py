import pytest

from feature_store.errors import ArchiveError
from pipeline.sources.binlog.position import Position, move_position, stored_position
from pipeline.sources.ledger import open_ledger


@pytest.mark.parametrize(
    ("file", "offset", "is_before"),
    [
        ("binlog.000009", 500, True),
        ("binlog.000010", 4, True),
        ("binlog.1000000", 4, True),
        ("binlog.000009", 400, False),
        ("binlog.000008", 900, False),
    ],
)
def test_places_are_compared_by_the_number_of_the_file_then_the_offset(file, offset, is_before):
    assert Position("binlog.000009", 400).is_before(file, offset) is is_before


def test_a_gtid_is_found_on_every_server_and_a_file_on_its_own():
    assert Position("binlog.000001", 4, "0-1-7", "one").can_be_found_on("other")
    assert not Position("binlog.000001", 4, "", "one").can_be_found_on("other")
    assert Position("binlog.000001", 4, "", "one").can_be_found_on("one")


def test_people_see_the_gtid_or_the_place():
    assert str(Position("binlog.000001", 4, "0-1-7")) == "0-1-7"
    assert str(Position("binlog.000001", 4)) == "binlog.000001:4"


def test_a_position_is_kept_for_each_table(tmp_path):
    place = Position("binlog.000003", 77, "0-1-7", "one")
    with open_ledger(tmp_path / "ledger.db") as ledger:
        with ledger.transaction():
            move_position(ledger, "shop", "orders", place)
        assert stored_position(ledger, "shop", "orders") == place
        assert stored_position(ledger, "shop", "items") is None


def test_a_position_moves_only_in_the_transaction_of_the_files(tmp_path):
    with open_ledger(tmp_path / "ledger.db") as ledger:
        with pytest.raises(ArchiveError, match="expected the transaction that enters the archived files"):
            move_position(ledger, "shop", "orders", Position("binlog.000001", 4))
        assert stored_position(ledger, "shop", "orders") is None
