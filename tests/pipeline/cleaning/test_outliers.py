"""Bounds come from the past alone, and moving a number to its bound twice is moving it once."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from feature_store.schema import ITEMS, ORDER_ITEMS
from pipeline.cleaning.cleaner import day_number
from pipeline.cleaning.clipping import clip, outside
from pipeline.cleaning.facts import build_facts
from pipeline.cleaning.history import bounds_made_from, bounds_of_months
from pipeline.cleaning.lookups import read_items
from pipeline.cleaning.outliers import bounds_of
from pipeline.cleaning.raw_archive import RawArchive
from pipeline.settings import Clean
from pipeline.sources.archive import RAW, write_partitions
from pipeline.sources.canonical import arrow_schema
from pipeline.workspace import Workspace

JUNE, JULY, AUGUST = (dt.date(2017, month, 1) for month in (6, 7, 8))
CLEAN = Clean(clip_share=0.1, clip_min_lines=5, clip_days=61)


@pytest.fixture
def archive(tmp_path):
    """June: milk in 1 to 10 pieces; July: in 101 to 110. Bread has two lines, and is new in July."""
    workspace = Workspace(tmp_path)

    def lines(day, items, quantities):
        moment = dt.datetime.combine(day, dt.time(12), dt.UTC)
        row = {"amount": 1.0, "discount": 0.0, "created_at": moment, "updated_at": moment}
        rows = [
            {"order_id": "o", "line_number": number, "item_id": item, "quantity": float(quantity), **row}
            for number, (item, quantity) in enumerate(zip(items, quantities, strict=True))
        ]
        return pa.Table.from_pylist(rows, schema=arrow_schema(ORDER_ITEMS))

    def items(day, *names):
        moment = dt.datetime.combine(day, dt.time(1), dt.UTC)
        stamps = {"created_at": moment, "updated_at": moment}
        rows = [{"item_id": name, "category": name.upper(), "department": "FOOD", **stamps} for name in names]
        return pa.Table.from_pylist(rows, schema=arrow_schema(ITEMS))

    days = {
        ORDER_ITEMS.name: [
            (JUNE, lines(JUNE, ["milk"] * 10, range(1, 11))),
            (JULY, lines(JULY, ["milk"] * 10 + ["bread"] * 2, [*range(101, 111), 7, 8])),
        ],
        ITEMS.name: [(JUNE, items(JUNE, "milk")), (JULY, items(JULY, "bread"))],
    }
    return RawArchive(
        workspace, {name: write_partitions(workspace, RAW, name, tables) for name, tables in days.items()}
    )


def quantities(archive, months, clean=CLEAN):
    bounds = bounds_of_months(archive, read_items(archive), months, clean)
    return bounds.values[:, :, 0, :].tolist()


def test_the_bounds_of_a_month_are_of_the_days_before_it(archive):
    """Per month: bread, milk, the shop. A tenth of ten lines lies beyond at either end: of 1 to 10, nothing below 1."""
    none = [[np.nan] * 2] * 3
    june, july, august = quantities(archive, [JUNE, JULY, AUGUST])
    assert np.isnan(june).all()
    assert np.array_equal(june, none, equal_nan=True)
    assert july == [[1.0, 10.0], [1.0, 10.0], [1.0, 10.0]]
    assert august[1] == [2.0, 109.0]
    assert august[0] == august[2] == [3.0, 108.0]


def test_a_month_alone_has_the_bounds_that_it_has_among_others(archive):
    assert quantities(archive, [AUGUST]) == quantities(archive, [JULY, AUGUST])[1:]


def test_later_days_say_nothing_about_a_month(archive):
    earlier = RawArchive(archive.workspace, {name: {JUNE: days[JUNE]} for name, days in archive.known.items()})
    days = [JUNE, JULY]
    assert bounds_made_from(earlier, days, CLEAN) == bounds_made_from(archive, days, CLEAN)
    assert bounds_made_from(earlier, [AUGUST], CLEAN) != bounds_made_from(archive, [AUGUST], CLEAN)


def test_a_share_of_nothing_bounds_nothing(archive):
    assert np.isnan(quantities(archive, [AUGUST], Clean(clip_share=0))).all()


def test_what_is_outside_is_moved_to_the_bound_once(archive):
    items = read_items(archive)
    orders = pa.table({"order_id": ["o"], "user_id": ["u"], "status": [""], "created_at": [dt.datetime.now(dt.UTC)]})
    facts = build_facts(orders.to_pandas(), items, items.iloc[:0], CLEAN)
    facts = facts.bounded(bounds_of_months(archive, items, [JULY], CLEAN))
    (rows,) = archive.read(ORDER_ITEMS.name, [JULY]).values()
    frame = rows.to_pandas().assign(partition_day=day_number(JULY), item_row=facts.item_rows(rows["item_id"]))
    found = outside(ORDER_ITEMS, frame, facts)
    assert found.tolist() == [True] * 10 + [False] * 2
    clipped = clip(ORDER_ITEMS, frame, found, facts)
    assert clipped["quantity"].tolist() == [10.0] * 10 + [7.0, 8.0]
    assert not outside(ORDER_ITEMS, clipped, facts).any()


def test_bounds_are_values_that_were_there():
    category, values = np.zeros(1001, np.int64), np.arange(1001.0)[::-1]
    assert bounds_of(category, values, 1, 0.001, 200).tolist() == [[1.0, 999.0]] * 2
