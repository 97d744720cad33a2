import datetime as dt

import pyarrow as pa

from feature_store.schema import EVENTS, ITEMS
from pipeline.quality.measures import FEWEST_ROWS, missing_shares, read_for_nulls

DAY = dt.date(2017, 1, 10)


def events(**kinds):
    """So many events of each kind, in a slot or not: `view=(10, None)`."""
    rows = [{"kind": kind, "slot": slot} for kind, (count, slot) in kinds.items() for _ in range(count)]
    rows = [{**dict.fromkeys(read_for_nulls(EVENTS.name)), **row} for row in rows]
    return {DAY: pa.Table.from_pylist(rows)}


def test_only_what_was_shown_or_clicked_can_lack_its_slot():
    shares = missing_shares(EVENTS.name, events(purchase=(900, None), impression=(30, "home"), click=(10, None)))
    assert shares[EVENTS.name, "slot"] == {DAY: 0.25}
    assert shares[EVENTS.name, "position"] == {DAY: 1.0}


def test_a_shop_that_shows_nothing_is_not_judged_by_where_it_showed_it():
    shares = missing_shares(EVENTS.name, events(purchase=(900, None), click=(FEWEST_ROWS - 1, None)))
    assert shares[EVENTS.name, "slot"] == {}


def test_columns_of_other_tables_are_judged_by_all_rows():
    rows = pa.table({name: [None] * 30 + ["x"] * 10 for name in read_for_nulls(ITEMS.name)})
    assert missing_shares(ITEMS.name, {DAY: rows})[ITEMS.name, "brand"] == {DAY: 0.75}
