from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from feature_store.errors import FeatureSetMismatchError, OnlineStoreError
from feature_store.online.packed import pack, packed_size, unpack
from feature_store.online.store import UserRecord

COLUMNS = ("values", "item", "time", "kind", "quantity", "value")
any_float = some.floats(width=32, allow_nan=True)


@some.composite
def records(draw: some.DrawFn) -> UserRecord:
    events = draw(some.integers(0, 20))

    def column(elements: some.SearchStrategy, dtype: type, size: int = events) -> np.ndarray:
        return np.array(draw(some.lists(elements, min_size=size, max_size=size)), dtype)

    return UserRecord(
        as_of=draw(some.integers(-(2**40), 2**40)),
        values=column(any_float, np.float32, draw(some.integers(0, 10))),
        item=column(some.integers(-(2**63), 2**63 - 1), np.int64),
        time=column(some.integers(0, 2**32 - 1), np.int64),
        kind=column(some.integers(0, 255), np.uint8),
        quantity=column(any_float, np.float32),
        value=column(any_float, np.float32),
    )


@given(records())
def test_a_record_comes_back_bit_for_bit(record: UserRecord) -> None:
    packed = pack(record)
    found = unpack(packed)
    assert len(packed) == packed_size(len(record.values), len(record.item))
    assert found.as_of == record.as_of
    for name in COLUMNS:
        sent, read = getattr(record, name), getattr(found, name)
        assert read.dtype == sent.dtype
        assert read.tobytes() == sent.tobytes()


@given(records(), some.data())
def test_a_truncated_record_is_refused(record: UserRecord, data: some.DataObject) -> None:
    packed = pack(record)
    with pytest.raises(OnlineStoreError, match="sync-only"):
        unpack(packed[: data.draw(some.integers(0, len(packed) - 1))])


@given(some.binary(max_size=200))
def test_foreign_bytes_are_refused(foreign: bytes) -> None:
    with pytest.raises(OnlineStoreError):
        unpack(foreign)


def test_a_record_of_another_feature_set_names_both(record) -> None:
    with pytest.raises(FeatureSetMismatchError, match="expected feature set 22222222, found feature set 11111111"):
        unpack(pack(record(1.0), "11111111"), "22222222")


def test_a_record_of_another_layout_is_refused(record) -> None:
    packed = bytearray(pack(record(1.0)))
    packed[4] = 99
    with pytest.raises(OnlineStoreError, match="layout 1, found layout 99"):
        unpack(bytes(packed))


def test_reading_copies_nothing_but_the_times(record) -> None:
    found = unpack(pack(record(1.0)))
    assert all(not getattr(found, name).flags.writeable for name in COLUMNS if name != "time")


def test_a_user_with_30_features_and_200_events_takes_4352_bytes() -> None:
    assert packed_size(30, 200) == 4_352


def test_event_columns_of_different_lengths_are_refused(record) -> None:
    whole = record(1.0)
    with pytest.raises(OnlineStoreError, match="one length"):
        pack(UserRecord(1, whole.values, whole.item[:1], whole.time, whole.kind, whole.quantity, whole.value))
